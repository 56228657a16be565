story 代理人と実印、写真付きの住基カード
# 実印は住基の制度だけ。役所の定めで求めることもできる(law.md 5.1、5.2)
office sammu
  municipality 12237 山武市 Sammu-shi
office togane
  municipality 12213 東金市 Togane-shi
  law proxy-needs-seal yes
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
  birth 1970-01-10
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pC@mail.example
person T
  name 東金 太郎
  birth 1985-06-15
  address 千葉県東金市東岩崎1番地
  lives-in 12213
at 2014-04-01(火) 10:00
apply C issue at sammu
  shows application-form, card-with-current-address
  card J-1 juki
  expect accepted juki.documents.card-is-photo-id
  expect fee 500
apply A issue at sammu
  by proxy
  shows application-form, card, mandate-without-seal, proxy-photo-id
  card J-2 juki
  expect refused
apply A issue at sammu
  by proxy
  shows application-form, card, mandate, seal-certificate, proxy-photo-id
  card J-2 juki
  expect deferred
at 2021-07-01(木) 10:00
factory B card MN-2
factory T card MN-3
at 2021-07-20(火) 10:00
apply B collect at sammu
  shows handover-notice, photo-id
apply T collect at togane
  shows handover-notice, photo-id
at 2022-02-01(火) 10:00
change B name at sammu
  name 佐藤 ビー
change T name at togane
  name 佐藤 太郎
apply B issue at sammu
  by proxy
  kinds sign
  shows application-form, card, mandate-without-seal, proxy-photo-id
  expect deferred
apply T issue at togane
  by proxy
  kinds sign
  shows application-form, card, mandate-without-seal, proxy-photo-id
  expect refused
apply T issue at togane
  by proxy
  kinds sign
  shows application-form, card, mandate, seal-certificate, proxy-photo-id
  expect deferred
at 2022-02-10(木) 10:00
# 回答書が委任状を兼ねる
apply B issue at sammu
  by proxy
  kinds sign
  returns-letter
  shows card, inquiry-answer
  expect refused
apply B issue at sammu
  by proxy
  kinds sign
  returns-letter
  shows inquiry-answer, proxy-photo-id
  expect refused
apply B issue at sammu
  by proxy
  kinds sign
  returns-letter
  shows card, another-inquiry-answer, proxy-photo-id
  expect refused
apply B issue at sammu
  by proxy
  kinds sign
  returns-letter
  shows card, inquiry-answer, proxy-photo-id
  expect accepted
