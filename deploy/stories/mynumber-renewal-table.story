story 更新の日と最終日
# 最終日2026年6月15日の証明書を、いつ更新すると何回目の誕生日までになるか(前の日、初日、前日、誕生日、翌日)。

office sammu
  municipality 12237 山武市 Sammu-shi
  open 2026-03-15 09:00 until 2026-03-15 12:00 for renew reissue
  open 2026-06-14 09:00 until 2026-06-14 12:00 for renew

person 甲
  name 山武 甲
  birth 1980-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 乙
  name 山武 乙
  birth 1980-06-15
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

person 丙
  name 山武 丙
  birth 1980-06-15
  sex female
  address 千葉県山武市殿台3番地
  lives-in 12237
  mail p3@mail.example

person 丁
  name 山武 丁
  birth 1980-06-15
  sex female
  address 千葉県山武市殿台4番地
  lives-in 12237
  mail p4@mail.example

person 戊
  name 山武 戊
  birth 1980-06-15
  sex female
  address 千葉県山武市殿台5番地
  lives-in 12237
  mail p5@mail.example

at 2021-07-01(木) 02:00

factory 甲 card MN-0
  expect auth last-day 2026-06-15
  expect card last-day 2031-06-15
  expect rule mynumber.validity.from-manufacture

factory 乙 card MN-1

factory 丙 card MN-2

factory 丁 card MN-3

factory 戊 card MN-4

at 2021-07-20(火) 10:00

apply 甲 collect at sammu
  shows handover-notice, photo-id

apply 乙 collect at sammu
  shows handover-notice, photo-id

apply 丙 collect at sammu
  shows handover-notice, photo-id

apply 丁 collect at sammu
  shows handover-notice, photo-id

apply 戊 collect at sammu
  shows handover-notice, photo-id

at 2026-03-15(日) 10:00

apply 甲 renew at sammu
  shows application-form, card, photo-id
  expect refused mynumber.renewal.before-window
  expect alternative auth 2030-06-15 by mynumber.validity.fifth-birthday
  expect alternative sign 2030-06-15

apply 甲 reissue at sammu
  shows application-form, card, photo-id
  because wish
  expect accepted
  expect auth last-day 2030-06-15

at 2026-03-16(月) 10:00

apply 乙 renew at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window
  expect auth last-day 2031-06-15 by mynumber.validity.sixth-birthday
  expect fee 0 mynumber.fee.renewal-waived

at 2026-06-14(日) 10:00

apply 丙 renew at sammu
  shows application-form, card, photo-id
  expect auth last-day 2031-06-15

at 2026-06-15(月) 16:59

apply 丁 renew at sammu
  shows application-form, card, photo-id
  until accepted
  expect accepted mynumber.renewal.in-window

at 2026-06-16(火) 10:00

confirm 丁
  expect auth last-day 2031-06-15
  expect auth former status expired

hand-out 丁
  expect auth status valid

apply 戊 renew at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.after-expiry mynumber.handover.usable-in-a-day
  expect fee 0 mynumber.fee.expired-waived
  expect auth last-day 2031-06-15 by mynumber.validity.fifth-birthday
  expect auth former status expired
