story 転出取消のいろいろ
# 予定日の前と後、国内と国外、継続利用の取消し、住基カード(law.md 8.4)
office sammu
  municipality 12237 山武市 Sammu-shi
office togane
  municipality 12213 東金市 Togane-shi

person A
  name 山武 A
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person B
  name 山武 B
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person D
  name 山武 D
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person E
  name 山武 E
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person F
  name 山武 F
  birth 1975-10-10
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
at 2014-04-01(火) 10:00
apply F issue at sammu
  shows application-form, card, photo-id
  card J-1 juki
change F move-out at sammu
  planned 2014-04-20
at 2014-04-10(木) 10:00
change F move-called-off at sammu
at 2014-05-30(金) 10:00
look F
  expect juki status valid
at 2021-07-01(木) 10:00
factory A card MN-1
factory B card MN-2
factory D card MN-4
factory E card MN-5
at 2021-07-20(火) 10:00
apply A collect at sammu
  shows handover-notice, photo-id
apply B collect at sammu
  shows handover-notice, photo-id
apply D collect at sammu
  shows handover-notice, photo-id
apply E collect at sammu
  shows handover-notice, photo-id
at 2024-06-03(月) 10:00
# A: 予定日の後の取消し: 失効した署名用は戻らない
change A move-out at sammu
  planned 2024-06-05
# B: 国外、継続利用なし、前日に取消し
change B move-overseas at sammu
  planned 2024-06-20
# D: 国外、継続利用あり、継続利用も取り消す
change D move-overseas at sammu
  planned 2024-06-20
  keeps-using
# E: 国外、継続利用あり、後でカードを出す
change E move-overseas at sammu
  planned 2024-06-20
  keeps-using
at 2024-06-10(月) 10:00
look A
  expect sign status revoked
change A move-called-off at sammu
  expect sign status revoked
  expect auth status valid
  expect deadline move-in-30 met
apply A issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect fee 0
at 2024-06-19(水) 10:00
change B move-called-off at sammu
change D move-called-off at sammu
  keeps-using
change E move-called-off at sammu
  expect deadline overseas-called-off 2024-06-19
apply E continue-use at sammu
  shows application-form, card, photo-id
at 2024-09-30(月) 10:00
look A
  expect auth status valid
  expect sign status valid
  expect card status held
look B
  expect auth status valid
  expect sign status valid
  expect card status held
look D
  expect auth status valid
  expect sign status valid
look E
  expect auth status valid
  expect sign status valid
  expect card status held
