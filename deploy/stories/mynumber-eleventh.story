story カードごとの更新と十一回目の誕生日
# カードの最後の三か月に更新すると十一回目の誕生日まで、その前は新しいカードで更新できない。

office sammu
  municipality 12237 山武市 Sammu-shi

person 先
  name 山武 先
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 後
  name 山武 後
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

at 2016-07-01(金) 10:00

factory 先 card MN-1
  expect card last-day 2026-06-18

factory 後 card MN-2

at 2016-07-20(水) 10:00

apply 先 collect at sammu
  shows handover-notice, photo-id

apply 後 collect at sammu
  shows handover-notice, photo-id

at 2021-04-01(木) 10:00

apply 先 renew at sammu
  shows application-form, card, photo-id
  expect auth last-day 2026-06-18

apply 後 renew at sammu
  shows application-form, card, photo-id

at 2026-03-18(水) 10:00

apply 先 renew at sammu
  shows application-form, card, photo-id
  card MN-3 mynumber
  expect refused mynumber.renewal.before-window

at 2026-03-19(木) 10:00

apply 先 renew at sammu
  shows application-form, card, photo-id
  card MN-3 mynumber
  expect accepted
  expect card last-day 2036-06-18 by mynumber.card.eleventh-birthday
  expect card is MN-3
  expect auth last-day 2031-06-18 by mynumber.validity.sixth-birthday
  expect sign last-day 2031-06-18
  expect fee 0
  expect auth former reason superseded

at 2026-06-19(金) 10:00
  expect 後 card status expired
  expect 後 auth status expired

apply 後 issue at sammu
  shows application-form, card, photo-id
  expect refused card.not-usable

apply 後 issue at sammu
  shows application-form, card, photo-id
  card MN-4 mynumber
  because expired
  expect accepted mynumber.handover.usable-in-a-day
  expect card last-day 2036-06-18 by mynumber.card.tenth-birthday
  expect fee 0
