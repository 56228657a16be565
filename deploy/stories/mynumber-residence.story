story 永住者、成年被後見人、署名用だけの申請

# 在留期間がなくなれば、カードは発行の日から数えた10回目の誕生日まで使える。署名用は利用者証明用より先には延びない。

office honcho
  municipality 12213 東金市 Togane-shi
  telephone 0475-50-1111

office sammu
  municipality 12237 山武市 Sammu-shi

office sapporo
  municipality 01100 札幌市 Sapporo-shi

person 永住
  name LIU YAN
  birth 1991-09-09
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail a@mail.example
  foreign yes
  stay-until 2023-03-31

person 被後見
  name 福俵 二
  birth 1958-03-03
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail b@mail.example
  adult-ward yes

person 追加
  name 福俵 三
  birth 1987-04-15
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail c@mail.example

at 2021-03-01(月) 10:00
factory 永住 card L-a
  expect card last-day 2023-03-31 by mynumber.card.stay-caps
factory 被後見 card L-b
  expect sign status none
  expect auth last-day 2025-03-03
factory 追加 card L-c
  kinds auth
  expect sign status none

at 2021-03-22(月) 10:00
apply 永住 collect at honcho
  shows handover-notice, photo-id
apply 被後見 collect at honcho
  shows handover-notice, photo-id
  expect refused mynumber.eligibility.representative-needed
apply 被後見 collect at honcho
  by legal-representative
  shows handover-notice, proof-of-representation, proxy-photo-id
  expect accepted
apply 追加 collect at honcho
  shows handover-notice, photo-id

at 2022-03-01(火) 10:00
apply 被後見 issue at honcho
  kinds sign
  shows application-form, card, photo-id
  clerk 017
  special-circumstances granted-by 017
  expect refused eligibility.second-officer
apply 被後見 issue at honcho
  kinds sign
  shows application-form, card, photo-id
  clerk 017
  special-circumstances granted-by 018
  expect accepted mynumber.eligibility.special-circumstances
  expect sign last-day 2025-03-03

at 2022-04-11(月) 10:00
change 永住 period-of-stay at honcho
  stay-until none
apply 永住 extend-card at sammu
  shows application-form, card, photo-id
  expect refused mynumber.eligibility.other-municipality
apply 永住 extend-card at honcho
  shows application-form, card, photo-id
  expect accepted mynumber.card.stay-extended
  expect card last-day 2030-09-09 by mynumber.card.tenth-birthday
  expect auth last-day 2023-03-31

at 2023-01-04(水) 09:00
apply 永住 renew at honcho
  shows application-form, card-with-current-address
  expect accepted mynumber.documents.card-is-photo-id
  expect auth last-day 2028-09-09 by mynumber.validity.sixth-birthday

at 2023-05-10(水) 10:00
apply 追加 issue at honcho
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect fee 0 mynumber.fee.first-waived
  expect sign last-day 2025-04-15 by mynumber.validity.auth-caps-sign
  expect sign status valid

at 2025-01-16(木) 10:00
apply 追加 renew at honcho
  shows application-form, card, photo-id
  kinds sign
  expect accepted mynumber.renewal.in-window
  expect sign last-day 2025-04-15 by mynumber.validity.auth-caps-sign not 2030-04-15 mynumber.validity.sixth-birthday

at 2025-04-16(水) 10:00
look 追加
  expect auth status expired
  expect sign status expired
apply 追加 issue at honcho
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect sign last-day 2030-04-15
  expect auth status expired
