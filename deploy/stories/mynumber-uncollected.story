story 受け取らないまま満了、その後の紛失
# 交付の前に電子証明書だけが満了する。行政側の不備による再交付は無料。失効は種類ごとに選べる。

office kumamoto
  municipality 43101 熊本市中央区 Kumamoto-shi-Chuo-ku

person 甲
  name 肥後 甲
  birth 1990-06-01
  sex male
  address 熊本県熊本市中央区手取本町1番1号
  lives-in 43101
  mail higo@mail.example

person 乙
  name 肥後 乙
  birth 1990-06-02
  sex male
  address 熊本県熊本市中央区手取本町1番1号
  lives-in 43101

at 2016-01-04(月) 02:00

factory 甲 card MN-1
  expect auth last-day 2020-06-01
  expect card last-day 2025-06-01

factory 乙 card MN-2

at 2020-06-03(水) 10:00
  expect 甲 auth status expired
  expect 甲 sign status expired

apply 甲 collect at kumamoto
  shows handover-notice, photo-id
  expect accepted
  expect card status held

apply 甲 issue at kumamoto
  shows application-form, card, photo-id
  because expired
  expect accepted
  expect auth last-day 2025-06-01
  expect sign last-day 2025-06-01
  expect fee 0

lose 甲
  expect auth status suspended

apply 甲 issue at kumamoto
  shows application-form, card, photo-id
  expect refused application.double-issue

apply 甲 renew at kumamoto
  shows application-form, card, photo-id
  expect refused card.not-usable

at 2020-07-01(水) 10:00

apply 甲 reissue at kumamoto
  card MN-11 mynumber
  because fault
  shows application-form, photo-id
  expect accepted mynumber.fee.fault-waived
  expect fee 0
  expect auth last-day 2025-06-01 by mynumber.validity.fifth-birthday
  expect card last-day 2030-06-01
  expect auth former reason key-compromise
  expect card is MN-11

apply 甲 revoke at kumamoto
  kinds sign
  because key-leak
  shows application-form, photo-id
  expect sign reason key-compromise
  expect auth status valid

apply 甲 revoke at kumamoto
  kinds auth
  because wish
  shows application-form, photo-id
  expect auth reason cessation-of-operation
  expect card status held

apply 甲 issue at kumamoto
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect sign last-day 2025-06-01 by mynumber.validity.fifth-birthday
