story 転入先での書込み、申請の日、工場のカード
# law.md 2.6、4.4、8.4
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
  mail pA@mail.example
person B
  name 山武 B
  birth 2002-04-01
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pB@mail.example
person C
  name 山武 C
  birth 2004-04-02
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pC@mail.example
person D
  name 山武 D
  birth 2007-05-10
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pD@mail.example
person E
  name 山武 E
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pE@mail.example
person F
  name 山武 F
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pF@mail.example
person H
  name 山武 H
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail pH@mail.example
at 2021-07-01(木) 10:00
factory A card MN-1
at 2021-07-20(火) 10:00
apply A collect at sammu
  shows handover-notice, photo-id

at 2022-05-09(月) 10:00
factory B card MN-2
  applied 2022-03-31
  expect card last-day 2027-04-01
factory C card MN-3
  applied 2022-04-01
  expect card last-day 2027-04-02
at 2022-05-16(月) 10:00
factory D card MN-5
  applied 2022-05-09
  expect sign status none
  expect card last-day 2027-05-10
# 暗証番号の初期化も書込み
at 2023-04-03(月) 10:00
change A move-out at sammu
  planned 2023-04-05
at 2023-04-06(木) 10:00
change A move-in at togane
  happened 2023-04-05
  expect deadline card-90 2023-07-04
block-pin A auth at togane
apply A unblock at togane
  pins auth
  shows application-form, card, photo-id
  expect deadline card-90 met
at 2023-07-10(月) 10:00
look A
  expect card status held
  expect auth status valid
# 電話での紛失の後、工場で
at 2023-07-11(火) 10:00
factory E card MN-6
factory H card MN-8
at 2023-07-20(木) 10:00
apply E collect at sammu
  shows handover-notice, photo-id
apply H collect at sammu
  shows handover-notice, photo-id
at 2024-02-01(木) 22:00
lose E
  expect auth status suspended
at 2024-02-20(火) 02:00
factory E card MN-7
at 2024-03-01(金) 10:00
apply E collect at sammu
  shows handover-notice, photo-id
  expect accepted
  expect fee 1000
  expect auth status valid
  expect sign status valid
  expect auth former status revoked
# 二重発行は工場でも断る(期間の途中、紛失もない)
factory H card MN-9
  expect refused application.double-issue
# 破損
apply H reissue at sammu
  card MN-10 mynumber
  because damage
  shows application-form, card, photo-id
  takes-back MN-8
  expect accepted
  expect fee 1000
