story 引っ越しが重なる、更新と重なる
# 十四日のうちに二度の引っ越し。カードを出していれば続き、出していなければ失効する。転出した人は更新できない。

office sammu
  municipality 12237 山武市 Sammu-shi

office togane
  municipality 12213 東金市 Togane-shi

office narita
  municipality 12211 成田市 Narita-shi

person 早
  name 山武 早
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 遅
  name 山武 遅
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

person 更
  name 山武 更
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台3番地
  lives-in 12237
  mail p3@mail.example

at 2016-01-12(火) 10:00

factory 早 card MN-1

factory 遅 card MN-2

factory 更 card MN-3

at 2016-02-01(月) 10:00

apply 早 collect at sammu
  shows handover-notice, photo-id

apply 遅 collect at sammu
  shows handover-notice, photo-id

apply 更 collect at sammu
  shows handover-notice, photo-id

at 2018-03-26(月) 10:00

change 早 move-out at sammu
  planned 2018-04-01
  expect sign status valid
  expect auth status valid
  expect deadline move-in-30 2018-05-01

change 遅 move-out at sammu
  planned 2018-04-01

at 2018-04-03(火) 10:00
  expect 早 sign status revoked

change 早 move-in at togane
  happened 2018-04-01
  keeps-using
  address 千葉県東金市東岩崎1番地
  expect deadline move-in-30 met
  expect auth status valid

change 遅 move-in at togane
  happened 2018-04-01
  address 千葉県東金市東岩崎2番地
  expect deadline card-90 2018-07-02

at 2018-04-09(月) 10:00

change 早 move-out at togane
  planned 2018-04-10
  expect auth status valid
  expect card status held

change 遅 move-out at togane
  planned 2018-04-10
  expect auth status valid
  expect card status held

at 2018-04-12(木) 10:00
  expect 遅 auth status revoked
  expect 遅 card status void
  expect 遅 rule mynumber.ends.card-not-submitted

change 早 move-in at narita
  happened 2018-04-10
  keeps-using
  address 千葉県成田市花崎町1番地
  expect auth status valid

apply 早 issue at narita
  shows application-form, card, photo-id
  kinds sign
  expect accepted
  expect sign last-day 2020-06-18

# --- 更新の期間に引っ越す
at 2020-05-01(金) 10:00

change 更 move-out at sammu
  planned 2020-05-07
  expect sign status valid

at 2020-05-07(木) 10:00
  expect 更 sign status revoked

apply 更 renew at sammu
  shows application-form, card, photo-id
  expect refused mynumber.eligibility.not-registered

at 2020-05-08(金) 10:00

change 更 move-in at togane
  happened 2020-05-07
  keeps-using
  address 千葉県東金市東岩崎3番地

apply 更 renew at togane
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window mynumber.handover.usable-in-an-hour
  expect auth last-day 2025-06-18

apply 更 issue at togane
  shows application-form, card, photo-id
  kinds sign
  expect accepted
  expect sign last-day 2024-06-18 by mynumber.validity.fifth-birthday not 2025-06-18 mynumber.validity.auth-caps-sign
