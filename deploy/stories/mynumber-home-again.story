story 国外から帰る
# 帰国の転入で住所が変わり、国外で発行した署名用は失効する。利用者証明用とカードは続く。

office sammu
  municipality 12237 山武市 Sammu-shi

office togane
  municipality 12213 東金市 Togane-shi

person 渡
  name 山武 渡
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 航
  name 山武 航
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

at 2024-05-01(水) 10:00

factory 渡 card MN-1

factory 航 card MN-2

at 2024-05-20(月) 10:00

apply 渡 collect at sammu
  shows handover-notice, photo-id

apply 航 collect at sammu
  shows handover-notice, photo-id

at 2024-05-28(火) 10:00

change 渡 move-overseas at sammu
  planned 2024-05-29
  keeps-using
  expect rule mynumber.ends.overseas-continued
  expect auth status valid

change 航 move-overseas at sammu
  planned 2024-05-29
  keeps-using

at 2024-07-01(月) 10:00

apply 渡 issue at sammu
  shows application-form, card, photo-id
  kinds sign
  expect accepted mynumber.eligibility.overseas
  expect sign last-day 2028-06-18

apply 航 issue at sammu
  shows application-form, card, photo-id
  kinds sign
  expect accepted mynumber.eligibility.overseas

at 2025-04-01(火) 10:00

change 渡 move-in at sammu
  happened 2025-03-28
  keeps-using
  address 千葉県山武市蓮沼1番地
  expect rule mynumber.ends.address
  expect sign status revoked
  expect sign reason affiliation-changed
  expect auth status valid
  expect card status held
  expect deadline card-90 none

apply 渡 issue at sammu
  shows application-form, card, photo-id
  kinds sign
  expect accepted mynumber.eligibility.resident
  expect sign last-day 2028-06-18
  expect fee 0 mynumber.fee.record-change-waived

change 航 move-in at togane
  happened 2025-03-28
  address 千葉県東金市東岩崎9番地
  expect sign listed affiliation-changed
  expect auth status valid
  expect deadline card-90 2025-06-30

at 2025-05-01(木) 10:00

apply 航 issue at sammu
  shows application-form, card, photo-id
  kinds sign
  expect refused mynumber.eligibility.other-municipality

apply 航 continue-use at togane
  shows application-form, card, photo-id
  expect accepted mynumber.deadline.met

apply 航 issue at togane
  shows application-form, card, photo-id
  kinds sign
  expect accepted
