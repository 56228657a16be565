story 在留期間の更新を申請中の人
# 特例期間: カードは満了の前に一度だけ2か月延び、その後、新しい在留期間まで延びる。有効期限の通知は送らない(law.md 3.4、9.2)

office sammu
  municipality 12237 山武市 Sammu-shi

person リン
  name LIN YU
  birth 1990-09-09
  sex female
  address 千葉県山武市津辺100番地
  lives-in 12237
  foreign yes
  stay-until 2022-03-31
  mail lin@mail.example

at 2020-05-01(金) 02:00
factory リン card FR-1
  expect card last-day 2022-03-31 by mynumber.card.stay-caps
at 2020-05-14(木) 10:00
apply リン collect at sammu
  shows handover-notice, photo-id

at 2022-01-11(火) 10:00
look リン
  expect notice expiry suppressed because limited-stay
  expect no-mail
person リン
  stay-pending yes
at 2022-03-25(金) 10:00
apply リン extend-card at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.card.stay-pending
  expect card last-day 2022-05-31 by mynumber.card.stay-pending
at 2022-04-20(水) 10:00
apply リン extend-card at sammu
  shows application-form, card, photo-id
  expect refused mynumber.card.stay-pending-once
change リン period-of-stay at sammu
  stay-until 2025-03-31
  stay-pending no
apply リン extend-card at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.card.stay-extended
  expect card last-day 2025-03-31 by mynumber.card.stay-caps
