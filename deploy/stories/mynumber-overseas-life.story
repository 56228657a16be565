story 国外で使い続ける人の一生
# 署名用は継続利用と一緒に発行でき、転出の日を越えて使える。更新は1年前から、本人だけ。照会書は送れない(law.md 4.3、8.5)

office sammu
  municipality 12237 山武市 Sammu-shi

person 渡
  name 山武 渡
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail wataru@mail.example

at 2022-05-09(月) 10:00
factory 渡 card MN-1
at 2022-06-01(水) 10:00
apply 渡 collect at sammu
  shows handover-notice, photo-id
  expect auth last-day 2026-06-18

at 2024-06-10(月) 10:00
change 渡 move-overseas at sammu
  planned 2024-06-20
  keeps-using
apply 渡 issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect accepted application.replaces-ending
  expect fee 0 mynumber.fee.record-change-waived
  expect sign former reason superseded
at 2024-06-20(木) 10:00
look 渡
  expect sign status valid
  expect auth status valid
  expect card status held

# --- 更新は1年前から。代理人も照会書も使えない
at 2025-06-18(水) 10:00
apply 渡 renew at sammu
  shows application-form, card, photo-id
  expect refused mynumber.renewal.before-window
at 2025-06-19(木) 10:00
apply 渡 renew at sammu
  by proxy
  shows application-form, card, mandate, proxy-photo-id
  expect refused mynumber.documents.overseas-holder-alone
apply 渡 renew at sammu
  shows application-form, card, other-id
  expect refused mynumber.documents.overseas-no-letter
apply 渡 renew at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.window.overseas-one-year
  expect auth last-day 2030-06-18 by mynumber.validity.fifth-birthday
