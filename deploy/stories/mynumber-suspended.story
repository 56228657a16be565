story 一時停止のあとに
# 電話で停止したあとの失効申請、死亡、氏名の変更、子の再交付、発見、そして満了。停止の日時は残る。

office sammu
  municipality 12237 山武市 Sammu-shi

person 申
  name 山武 申
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 亡
  name 山武 亡
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

person 改
  name 山武 改
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台3番地
  lives-in 12237
  mail p3@mail.example

person 子
  name 山武 子
  birth 2010-06-18
  sex female
  address 千葉県山武市殿台4番地
  lives-in 12237
  mail p4@mail.example

person 見
  name 山武 見
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台5番地
  lives-in 12237
  mail p5@mail.example

person 満
  name 山武 満
  birth 1975-09-01
  sex female
  address 千葉県山武市殿台6番地
  lives-in 12237
  mail p6@mail.example

at 2017-01-12(木) 10:00

factory 申 card MN-0

factory 亡 card MN-1

factory 改 card MN-2

factory 子 card MN-3

factory 見 card MN-4

factory 満 card MN-5

at 2017-02-01(水) 10:00

apply 申 collect at sammu
  shows handover-notice, photo-id

apply 亡 collect at sammu
  shows handover-notice, photo-id

apply 改 collect at sammu
  shows handover-notice, photo-id

apply 見 collect at sammu
  shows handover-notice, photo-id

apply 満 collect at sammu
  shows handover-notice, photo-id

apply 子 collect at sammu
  by legal-representative
  shows handover-notice, proof-of-representation, proxy-photo-id

at 2017-05-05(金) 23:10

lose 申
  expect auth status suspended

lose 亡
  expect auth status suspended

lose 改
  expect auth status suspended

lose 子
  expect sign status none
  expect auth status suspended

lose 見
  expect auth status suspended

lose 満
  expect auth status suspended

at 2017-05-08(月) 10:00

apply 申 revoke at sammu
  shows application-form, photo-id
  because loss
  expect accepted
  expect auth reason key-compromise
  expect auth suspended-at 2017-05-05 23:10
  expect auth revoked-at 2017-05-08 10:00

change 亡 death
  expect auth reason cessation-of-operation
  expect card status void

change 改 name
  name 成東 改
  expect sign reason affiliation-changed
  expect auth status suspended

apply 子 reissue at sammu
  by legal-representative
  card MN-10 mynumber
  because loss
  shows application-form, proof-of-representation, proxy-photo-id
  expect accepted
  expect fee 1000
  expect auth last-day 2021-06-18
  expect card last-day 2021-06-18 by mynumber.card.minor-fifth-birthday
  expect sign status none

find 見 at sammu
  expect card status held
  expect auth status revoked

apply 見 issue at sammu
  shows application-form, card, photo-id
  expect accepted
  expect fee 200 mynumber.fee.reissue-certificates
  expect auth former suspended-at 2017-05-05 23:10

at 2021-09-02(木) 10:00
  expect 満 auth status expired
  expect 満 card status suspended

apply 満 reissue at sammu
  shows application-form, photo-id
  card MN-11 mynumber
  because loss
  expect accepted
  expect fee 1000
  expect auth last-day 2026-09-01
