story 住基の照会書の期限と、役所の更新期間
# どちらも役所の定め(law.md 4.1、5.3)
office sammu
  municipality 12237 山武市 Sammu-shi
  law letter-days 20
  law juki-window-months 3
office togane
  municipality 12213 東金市 Togane-shi
person A
  name 山武 A
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pA@mail.example
person B
  name 山武 B
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pB@mail.example
person C
  name 山武 C
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pC@mail.example
person D
  name 山武 D
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pD@mail.example
at 2012-04-02(月) 10:00
apply A issue at sammu
  shows application-form, card, other-id
  card J-1 juki
  expect deferred
apply B issue at sammu
  shows application-form, card, other-id
  card J-2 juki
  expect deferred
apply C issue at sammu
  shows application-form, card, photo-id
  card J-3 juki
at 2012-04-10(火) 10:00
change B address at sammu
  address 千葉県山武市殿台9番地
at 2012-04-11(水) 10:00
apply B issue at sammu
  returns-letter
  shows card, other-id, inquiry-answer
  expect refused juki.documents.inquiry-answer-moved
at 2012-04-23(月) 10:00
apply A issue at sammu
  returns-letter
  shows card, other-id, inquiry-answer
  expect refused juki.documents.inquiry-answer-lapsed
# 3か月前から(この役所)
at 2014-12-26(金) 10:00
apply C renew at sammu
  shows application-form, card, photo-id
  expect refused juki.window.municipal
at 2015-01-05(月) 10:00
apply C renew at sammu
  shows application-form, card, photo-id
  expect accepted
