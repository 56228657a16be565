story 途中の手続と異なる最終日

# 最終日に受け付けた更新は翌日でも進む。署名用と利用者証明用の最終日が違えば、更新の期間もそれぞれ違う。

office honcho
  municipality 12213 東金市 Togane-shi
  telephone 0475-50-1111

person 別日
  name 誉田 一
  birth 1985-01-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail a@mail.example

person 最終日
  name 誉田 二
  birth 1986-10-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail b@mail.example

person 転出
  name 誉田 三
  birth 1987-03-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail c@mail.example

at 2018-03-01(木) 10:00
factory 別日 card T-a

factory 最終日 card T-b

factory 転出 card T-c

at 2018-03-20(火) 10:00
apply 別日 collect at honcho
  shows handover-notice, photo-id

apply 最終日 collect at honcho
  shows handover-notice, photo-id

apply 転出 collect at honcho
  shows handover-notice, photo-id

at 2018-04-03(火) 10:00
find 別日 at honcho
  expect auth status valid
  expect no-event CardFound
apply 別日 collect at honcho
  shows handover-notice, photo-id
  expect refused card.none-to-hand-over

at 2019-02-04(月) 10:00
apply 別日 revoke at honcho
  shows application-form, card, photo-id
  kinds auth
  expect accepted
  expect sign status valid
apply 別日 issue at honcho
  kinds auth
  shows application-form, card, photo-id
  expect accepted
  expect fee 200
  expect auth last-day 2024-01-20
  expect sign last-day 2023-01-20

at 2021-12-21(火) 10:00
apply 転出 revoke at honcho
  shows application-form, card, photo-id
  kinds sign
apply 転出 issue at honcho
  shows application-form, card, photo-id
  kinds sign
  until accepted
  expect accepted
change 転出 move-out at honcho
  planned 2021-12-22
  expect auth status valid
  expect no-event ApplicationWithdrawn
at 2021-12-22(水) 08:00
  expect 転出 sign status revoked
  expect 転出 event ApplicationWithdrawn

at 2022-10-20(木) 16:59
apply 最終日 renew at honcho
  shows application-form, card, photo-id
  until accepted
  expect accepted mynumber.renewal.in-window

at 2022-10-21(金) 09:30
confirm 最終日
hand-out 最終日
  expect auth status valid
  expect sign status valid
  expect auth last-day 2027-10-20 by mynumber.validity.card-caps

at 2022-10-21(金) 10:00
look 別日
  expect sign window 2022-10-21
  expect auth window 2023-10-21
  expect notice expiry sent
apply 別日 renew at honcho
  shows application-form, card, photo-id
  kinds sign
  expect accepted mynumber.renewal.in-window
  expect sign last-day 2024-01-20 by mynumber.validity.auth-caps-sign not 2028-01-20 mynumber.validity.sixth-birthday
  expect auth status valid
