story 未成年のカードの更新

# 15歳未満の方のカードは法定代理人が受け取り、暗証番号も法定代理人が設定する。更新は5回目・6回目の誕生日まで、成年になっていれば11回目まで。

office honcho
  municipality 12213 東金市 Togane-shi
  telephone 0475-50-1111

person 高校
  name 大網 一
  birth 2006-07-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail a@mail.example

person 成年
  name 大網 二
  birth 2003-12-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail b@mail.example

person 児童
  name 大網 三
  birth 2010-09-15
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail c@mail.example

at 2019-02-01(金) 10:00
factory 高校 card Q-a
  expect sign status none
  expect card last-day 2023-07-01
factory 成年 card Q-b
  expect card last-day 2023-12-01 by mynumber.card.minor-fifth-birthday
  expect sign last-day 2023-12-01
factory 児童 card Q-c

at 2019-02-20(水) 10:00
apply 高校 collect at honcho
  by legal-representative
  shows handover-notice, proof-of-representation, proxy-photo-id
apply 成年 collect at honcho
  shows handover-notice, photo-id
apply 児童 collect at honcho
  by legal-representative
  shows handover-notice, proof-of-representation, proxy-photo-id

at 2019-05-20(月) 10:00
block-pin 児童 auth at honcho
apply 児童 unblock at honcho
  shows application-form, card, photo-id
  expect refused mynumber.eligibility.representative-needed
apply 児童 unblock at honcho
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect accepted
  expect fee 0

at 2023-04-03(月) 10:00
apply 高校 renew at honcho
  shows application-form, card, photo-id
  card Q-a2 mynumber
  expect accepted
  expect card is Q-a2
  expect card last-day 2028-07-01 by mynumber.card.minor-sixth-birthday
  expect auth last-day 2028-07-01 by mynumber.validity.sixth-birthday

at 2023-09-04(月) 10:00
apply 成年 renew at honcho
  shows application-form, card, photo-id
  card Q-b2 mynumber
  expect accepted
  expect card last-day 2033-12-01 by mynumber.card.eleventh-birthday
  expect auth last-day 2028-12-01 by mynumber.validity.sixth-birthday
  expect fee 0
