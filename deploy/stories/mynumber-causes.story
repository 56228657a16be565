story 再交付の理由、手数料、失効の理由
# 破損、漏えい、行政側の不備、紛失、特急。理由が手数料と失効理由を決める。

office sammu
  municipality 12237 山武市 Sammu-shi

person 破
  name 山武 破
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 漏
  name 山武 漏
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

person 備
  name 山武 備
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台3番地
  lives-in 12237
  mail p3@mail.example

person 紛
  name 山武 紛
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台4番地
  lives-in 12237
  mail p4@mail.example

person 札
  name 山武 札
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台5番地
  lives-in 12237
  mail p5@mail.example

at 2021-01-12(火) 10:00

factory 破 card MN-0

factory 漏 card MN-1

factory 備 card MN-2

factory 紛 card MN-3

factory 札 card MN-4

at 2021-02-01(月) 10:00

apply 破 collect at sammu
  shows handover-notice, photo-id

apply 漏 collect at sammu
  shows handover-notice, photo-id

apply 備 collect at sammu
  shows handover-notice, photo-id

apply 紛 collect at sammu
  shows handover-notice, photo-id

apply 札 collect at sammu
  shows handover-notice, photo-id

at 2021-03-01(月) 10:00

apply 破 reissue at sammu
  shows application-form, card, photo-id
  because damage
  expect accepted
  expect fee 200 mynumber.fee.reissue-certificates
  expect auth former reason cessation-of-operation

apply 漏 reissue at sammu
  shows application-form, card, photo-id
  because key-leak
  expect accepted
  expect fee 200
  expect auth former reason key-compromise
  expect auth former listed key-compromise

apply 備 reissue at sammu
  shows application-form, card, photo-id
  because fault
  expect accepted
  expect fee 0 mynumber.fee.fault-waived
  expect auth former reason superseded

apply 札 reissue at sammu
  shows application-form, card, photo-id
  card MN-5 mynumber
  because damage
  expect accepted
  expect fee 1000
  expect card is MN-5

at 2024-11-29(金) 10:00

lose 紛 at sammu
  expect auth reason key-compromise
  expect card status suspended

apply 紛 reissue at sammu
  shows application-form, photo-id
  card MN-6 mynumber
  because loss
  express
  expect refused mynumber.fee.express-not-yet

at 2024-12-02(月) 10:00

apply 紛 reissue at sammu
  shows application-form, photo-id
  card MN-6
  because loss
  express
  expect accepted mynumber.express.fixed-cases
  expect fee 2000 mynumber.fee.express-card mynumber.fee.express-certificates
