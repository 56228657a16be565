story 外国人住民と、国外への転出

office sammu
  municipality 12237 山武市 Sammu-shi
  telephone 0475-80-0000

person マリア
  name SILVA MARIA
  alias 山田 マリア
  birth 1985-09-09
  sex female
  address 千葉県山武市津辺100番地
  lives-in 12237
  foreign yes
  stay-until 2020-03-31
  mail maria@mail.example
  language en
person カルロス
  name COSTA CARLOS
  birth 1990-12-24
  sex male
  address 千葉県山武市津辺101番地
  lives-in 12237
  foreign yes
  stay-until 2019-06-30
  mail carlos@mail.example
  language en
person 出国
  name 山武 渡
  birth 1988-08-08
  sex male
  address 千葉県山武市殿台20番地
  lives-in 12237
  mail wataru@mail.example
person 継続
  name 山武 続
  birth 1987-07-07
  sex male
  address 千葉県山武市殿台21番地
  lives-in 12237
  mail tsuzuku@mail.example
person 返上
  name 山武 返
  birth 1986-06-06
  sex male
  address 千葉県山武市殿台22番地
  lives-in 12237
  mail kaesu@mail.example

# --- 在留期間がカードと電子証明書の終わりになる
at 2018-05-01(火) 02:00
factory マリア card FR-0001
  expect accepted mynumber.eligibility.foreign-resident
  expect card last-day 2020-03-31 by mynumber.card.stay-caps not 2027-09-09 mynumber.card.tenth-birthday
  expect auth last-day 2020-03-31 by mynumber.validity.card-caps not 2022-09-09 mynumber.validity.fifth-birthday
factory カルロス card FR-0002
  expect card last-day 2019-06-30 by mynumber.card.stay-caps
at 2018-05-14(月) 10:00
apply マリア collect at sammu
  shows handover-notice, photo-id
apply カルロス collect at sammu
  shows handover-notice, photo-id
  expect auth status valid

# --- 在留期間が満了すると、カードも電子証明書も使えない
at 2019-07-01(月) 10:00
look カルロス
  expect auth status expired
  expect card status expired
  expect notice expired sent
  expect mail 「ended on 30 June」
apply カルロス extend-card at sammu
  shows application-form, card, photo-id
  expect refused mynumber.card.extension-too-late
apply カルロス issue at sammu
  shows application-form, photo-id
  card FR-0003 mynumber
  expect refused mynumber.eligibility.stay-over

# --- 在留期間の更新でカードは延びる。電子証明書は、更新期間に更新して延ばす。
at 2019-11-05(火) 10:00
change マリア period-of-stay at sammu
  happened 2019-11-01
  stay-until 2023-03-31
  expect auth status valid
apply マリア extend-card at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.card.stay-extended
  expect card last-day 2023-03-31 by mynumber.card.stay-caps
  expect auth last-day 2020-03-31
at 2020-01-06(月) 10:00
look マリア
  expect auth window 2020-01-01
  expect notice expiry sent
  expect mail user authentication certificate
apply マリア renew at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window
  expect auth last-day 2023-03-31 by mynumber.validity.card-caps not 2025-09-09 mynumber.validity.sixth-birthday
  expect sign last-day 2023-03-31

# --- 国外転出: 令和6年5月26日まではすべて失効する
at 2024-02-01(木) 02:00
factory 出国 card OV-0001
factory 継続 card OV-0002
factory 返上 card OV-0003
at 2024-02-20(火) 10:00
apply 出国 collect at sammu
  shows handover-notice, photo-id
apply 継続 collect at sammu
  shows handover-notice, photo-id
apply 返上 collect at sammu
  shows handover-notice, photo-id
at 2024-05-24(金) 10:00
change 出国 move-overseas at sammu
  happened 2024-05-24
  keeps-using
  expect rule mynumber.ends.overseas-ends
  expect sign status revoked
  expect auth status revoked
  expect auth reason cessation-of-operation
  expect card status void
apply 出国 issue at sammu
  shows application-form, photo-id
  card OV-0004 mynumber
  expect refused mynumber.eligibility.overseas-not-yet

# --- 令和6年5月27日からは、転出の前日までに申請すれば継続利用ができる。署名用は失効し、国外からあらためて申請する。
at 2024-06-02(日) 10:00
change 継続 move-overseas at sammu
  planned 2024-06-03
  keeps-using
  expect rule mynumber.ends.overseas-continued
  expect sign status valid
at 2024-06-03(月) 10:00
look 継続
  expect sign status revoked
  expect auth status valid
  expect card status held
apply 継続 issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect accepted mynumber.eligibility.overseas
  expect sign status valid
  expect sign generation 3
change 返上 move-overseas at sammu
  happened 2024-06-03
  expect sign status revoked
  expect auth status revoked
  expect card status void
