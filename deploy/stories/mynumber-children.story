story 未成年者、うるう日生まれ、成年の年齢

office sammu
  municipality 12237 山武市 Sammu-shi
  telephone 0475-80-0000

person 少年
  name 山武 学
  birth 2004-04-02
  sex male
  address 千葉県山武市殿台10番地
  lives-in 12237
  mail manabu@mail.example
person 閏子
  name 山武 閏子
  birth 1988-02-29
  sex female
  address 千葉県山武市殿台11番地
  lives-in 12237
  mail junko@mail.example
person 三月
  name 山武 弥生
  birth 2002-05-01
  sex female
  address 千葉県山武市殿台12番地
  lives-in 12237
person 四月
  name 山武 卯月
  birth 2002-05-01
  sex female
  address 千葉県山武市殿台12番地
  lives-in 12237

# --- うるう日生まれ: 平年の誕生日は2月28日。発行の日と重なる誕生日は数えない。
at 2017-02-28(火) 02:00
factory 閏子 card LP-0001
  expect auth last-day 2022-02-28 by mynumber.validity.fifth-birthday not 2027-02-28 mynumber.validity.card-caps
  expect rule mynumber.validity.leap-birthday-february
  expect card last-day 2027-02-28 by mynumber.card.tenth-birthday
at 2017-03-10(金) 10:00
apply 閏子 collect at sammu
  shows handover-notice, photo-id

# --- 13歳: 工場で作られるのは利用者証明用だけ。カードは5回目の誕生日まで。
at 2018-02-01(木) 02:00
factory 少年 card CH-0001
  expect accepted mynumber.eligibility.under-15-signature mynumber.card.minor-fifth-birthday
  expect auth last-day 2022-04-02
  expect card last-day 2022-04-02 by mynumber.card.minor-fifth-birthday
  expect sign status none
at 2018-02-15(木) 10:00
apply 少年 collect at sammu
  by legal-representative
  shows handover-notice, proof-of-representation, proxy-photo-id
  expect accepted mynumber.documents.proof-of-representation
  expect auth status valid
  expect sign status none

# --- 14歳
at 2018-08-01(水) 10:00
apply 少年 issue at sammu
  kinds sign
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect refused mynumber.eligibility.under-15-signature
apply 少年 revoke at sammu
  by legal-representative
  kinds auth
  shows application-form, proof-of-representation, proxy-photo-id
  expect accepted mynumber.ends.holder-application
  expect auth status revoked
  expect auth reason cessation-of-operation
apply 少年 issue at sammu
  kinds auth
  shows application-form, card, photo-id
  expect refused mynumber.eligibility.representative-needed
apply 少年 issue at sammu
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect accepted mynumber.eligibility.by-representative
  expect fee 200 mynumber.fee.reissue-certificates
  expect auth last-day 2022-04-02 by mynumber.validity.card-caps not 2023-04-02 mynumber.validity.fifth-birthday
  expect auth status valid
  expect sign status none

# --- 15歳になる日。前日の窓口ではまだ14歳。
at 2019-04-01(月) 16:59
apply 少年 issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect refused mynumber.eligibility.under-15-signature
at 2019-04-02(火) 09:00
apply 少年 issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect fee 0 mynumber.fee.first-waived
  expect sign last-day 2022-04-02 by mynumber.validity.auth-caps-sign not 2024-04-02 mynumber.validity.fifth-birthday

# --- うるう日生まれの更新期間: 2月28日の3か月前の翌日は11月29日
at 2021-11-26(金) 10:00
apply 閏子 renew at sammu
  shows application-form, card, photo-id
  expect refused mynumber.renewal.before-window
at 2021-11-29(月) 10:00
apply 閏子 renew at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window
  expect auth last-day 2027-02-28 by mynumber.validity.sixth-birthday not 2027-02-28 mynumber.validity.card-caps

# --- 成年の年齢は、令和4年4月1日に受け付けた申請から18歳
at 2022-03-31(木) 10:00
factory 三月 card AG-0001
  expect card last-day 2026-05-01 by mynumber.card.minor-fifth-birthday
  expect rule mynumber.card.adult-at-20
at 2022-04-01(金) 10:00
factory 四月 card AG-0002
  expect card last-day 2031-05-01 by mynumber.card.tenth-birthday
  expect rule mynumber.card.adult-at-18
  expect auth last-day 2026-05-01 by mynumber.validity.fifth-birthday
