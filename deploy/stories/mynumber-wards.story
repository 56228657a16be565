story 子ども、成人、成年被後見人
# 署名用のなかったカードに初めて署名用を入れるときは、暗証番号も初めて定める。

office utsunomiya
  municipality 09201 宇都宮市 Utsunomiya-shi

person 子
  name 下野 子
  birth 2005-05-05
  sex female
  address 栃木県宇都宮市旭1丁目
  lives-in 09201

person 十九
  name 下野 十九
  birth 2002-04-01
  sex male
  address 栃木県宇都宮市旭1丁目
  lives-in 09201

person 十八
  name 下野 十八
  birth 2004-04-01
  sex male
  address 栃木県宇都宮市旭1丁目
  lives-in 09201

person 十七
  name 下野 十七
  birth 2004-04-02
  sex male
  address 栃木県宇都宮市旭1丁目
  lives-in 09201

person 後
  name 下野 後
  birth 1940-01-01
  sex male
  address 栃木県宇都宮市旭1丁目
  lives-in 09201
  adult-ward yes

at 2020-05-04(月) 02:00

factory 子 card MN-1
  expect sign status none
  expect auth last-day 2024-05-05
  expect card last-day 2024-05-05

at 2020-06-01(月) 10:00

apply 子 collect at utsunomiya
  shows handover-notice, photo-id
  expect accepted
  expect auth status valid
  expect sign status none

factory 後 card MN-5
  expect sign status none
  expect auth last-day 2025-01-01
  expect card last-day 2030-01-01

apply 子 issue at utsunomiya
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect sign last-day 2024-05-05
  expect fee 0

at 2022-03-31(木) 02:00

factory 十九 card MN-2
  expect card last-day 2026-04-01
  expect sign status issued

at 2022-04-01(金) 02:00

factory 十八 card MN-3
  expect card last-day 2032-04-01

factory 十七 card MN-4
  expect card last-day 2026-04-02
  expect auth last-day 2026-04-02

apply 後 collect at utsunomiya
  by self
  shows handover-notice, photo-id
  expect refused office.closed.before-hours

at 2022-04-01(金) 10:00

apply 後 collect at utsunomiya
  by self
  shows handover-notice, photo-id
  expect refused mynumber.eligibility.representative-needed

apply 後 collect at utsunomiya
  by legal-representative
  shows handover-notice, photo-id, proof-of-representation, proxy-photo-id
  expect accepted mynumber.eligibility.by-representative
  expect sign status none
  expect auth status valid

apply 後 issue at utsunomiya
  kinds sign
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect refused mynumber.eligibility.adult-ward-signature

apply 後 issue at utsunomiya
  kinds sign
  by legal-representative
  clerk 017
  special-circumstances granted-by 018
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect accepted mynumber.eligibility.special-circumstances
  expect sign last-day 2025-01-01 by mynumber.validity.auth-caps-sign
