story 更新の日と五回目・六回目の誕生日
# 最終日が令和8年6月15日の四人。窓が開く前日、最初の日、前日、誕生日当日(カードの有効期間が抑える)、満了の翌日。

office kyoto
  municipality 26104 京都市中京区 Kyoto-shi-Nakagyo-ku
  open 2026-03-15 09:00 until 2026-03-15 17:00
  open 2026-06-14 09:00 until 2026-06-14 17:00

person 甲
  name 京 甲
  birth 1990-06-15
  sex male
  address 京都府京都市中京区寺町通御池上る
  lives-in 26104

person 乙
  name 京 乙
  birth 1990-06-15
  sex male
  address 京都府京都市中京区寺町通御池上る
  lives-in 26104

person 丙
  name 京 丙
  birth 1990-06-15
  sex male
  address 京都府京都市中京区寺町通御池上る
  lives-in 26104

person 丁
  name 京 丁
  birth 1990-06-15
  sex male
  address 京都府京都市中京区寺町通御池上る
  lives-in 26104

at 2021-06-16(水) 02:00

factory 甲 card MN-1
  expect auth last-day 2026-06-15
  expect card last-day 2031-06-15

factory 乙 card MN-2

factory 丙 card MN-3

factory 丁 card MN-4

at 2021-07-01(木) 10:00

apply 甲 collect at kyoto
  shows handover-notice, photo-id

apply 乙 collect at kyoto
  shows handover-notice, photo-id

apply 丙 collect at kyoto
  shows handover-notice, photo-id

apply 丁 collect at kyoto
  shows handover-notice, photo-id

at 2026-03-15(日) 16:00

apply 甲 renew at kyoto
  shows application-form, card, photo-id
  expect refused mynumber.renewal.before-window
  expect alternative auth 2030-06-15 by mynumber.validity.fifth-birthday

at 2026-03-16(月) 09:00

apply 甲 renew at kyoto
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window
  expect auth last-day 2031-06-15
  expect sign last-day 2031-06-15

at 2026-06-14(日) 09:00

apply 乙 renew at kyoto
  shows application-form, card, photo-id
  expect auth last-day 2031-06-15

at 2026-06-15(月) 16:59

apply 丙 renew at kyoto
  shows application-form, card, photo-id
  expect accepted mynumber.validity.issued-on-birthday
  expect auth last-day 2031-06-15 by mynumber.validity.card-caps not 2032-06-15 mynumber.validity.sixth-birthday
  expect sign last-day 2031-06-15

at 2026-06-16(火) 09:00
  expect 丁 auth status expired
  expect 丁 sign status expired

apply 丁 renew at kyoto
  shows application-form, card, photo-id
  expect accepted mynumber.validity.fifth-birthday
  expect auth last-day 2031-06-15
  expect fee 0 mynumber.fee.expired-waived
  expect sign status valid
