story 国外へ出る日が分ける
# 施行日(令和6年5月27日)の前と後。届け出た日ではなく、国外へ出る日で決まる。

office matsuyama
  municipality 38201 松山市 Matsuyama-shi

person 甲
  name 伊予 甲
  birth 1985-02-14
  sex male
  address 愛媛県松山市二番町四丁目7番地2
  lives-in 38201
  mail iyo@mail.example

person 乙
  name 伊予 乙
  birth 1985-02-14
  sex male
  address 愛媛県松山市二番町四丁目7番地2
  lives-in 38201
  mail iyo@mail.example

person 丙
  name 伊予 丙
  birth 1985-02-14
  sex male
  address 愛媛県松山市二番町四丁目7番地2
  lives-in 38201
  mail iyo@mail.example

person 丁
  name 伊予 丁
  birth 1985-02-14
  sex male
  address 愛媛県松山市二番町四丁目7番地2
  lives-in 38201
  mail iyo@mail.example

at 2022-02-15(火) 02:00

factory 甲 card MN-1

factory 乙 card MN-2

factory 丙 card MN-3

factory 丁 card MN-4

at 2022-03-15(火) 10:00

apply 甲 collect at matsuyama
  shows handover-notice, photo-id

apply 乙 collect at matsuyama
  shows handover-notice, photo-id

apply 丙 collect at matsuyama
  shows handover-notice, photo-id

apply 丁 collect at matsuyama
  shows handover-notice, photo-id

at 2024-05-20(月) 10:00

change 甲 move-overseas at matsuyama
  happened 2024-05-26
  keeps-using
  expect auth status valid
  expect sign status valid
  expect card status held
  expect deadline overseas-kept 2024-05-25
  expect rule deadline.overseas-on-its-day

at 2024-05-24(金) 10:00

change 乙 move-overseas at matsuyama
  happened 2024-05-28
  keeps-using
  expect sign status valid

at 2024-05-25(土) 10:00
  expect 甲 auth status valid
  expect 甲 card status held
at 2024-05-26(日) 10:00
  expect 甲 auth status revoked
  expect 甲 auth reason cessation-of-operation
  expect 甲 auth revoked-at 2024-05-26 03:00
  expect 甲 deadline overseas-kept met
  expect 甲 card status void
  expect 乙 sign status valid
at 2024-05-28(火) 10:00
  expect 乙 sign status revoked
  expect 乙 sign reason affiliation-changed
  expect 乙 sign revoked-at 2024-05-28 03:00

at 2024-05-29(水) 10:00
  expect 甲 auth status revoked
  expect 甲 card status void
  expect 乙 auth status valid
  expect 乙 sign status revoked
  expect 乙 card status held

at 2024-06-03(月) 10:00

change 丙 move-overseas at matsuyama
  happened 2024-06-01
  expect auth status revoked
  expect sign status revoked
  expect card status void

apply 甲 issue at matsuyama
  card MN-11 mynumber
  shows application-form, photo-id
  expect accepted mynumber.eligibility.overseas
  expect auth last-day 2029-02-14

apply 乙 unblock at matsuyama
  shows application-form, card, photo-id
  pins auth

at 2025-01-10(金) 10:00

change 乙 move-in at matsuyama
  happened 2025-01-09
  address 愛媛県松山市一番町4丁目
  lives-in 38201
  keeps-using
  expect auth status valid
  expect card status held

apply 乙 issue at matsuyama
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect sign last-day 2027-02-14 by mynumber.validity.auth-caps-sign
