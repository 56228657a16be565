story マイナンバーカードの電子証明書、初回の交付から満了まで

# 6月18日生まれ。カードは工場で両方の電子証明書とともに作られ、平成28年1月12日に交付される。

office sammu
  municipality 12237 山武市 Sammu-shi
  hours 08:30-17:15
  telephone 0475-80-0000

person 花子
  name 山武 花子
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台296番地
  lives-in 12237
  mail hanako@mail.example

at 2016-01-05(火) 02:29
factory 花子 card MN-0001
  expect accepted mynumber.issue.authentication-first mynumber.card.adult-at-20
  expect auth last-day 2020-06-18 by mynumber.validity.fifth-birthday not 2025-06-18 mynumber.validity.card-caps
  expect sign last-day 2020-06-18 by mynumber.validity.fifth-birthday not 2020-06-18 mynumber.validity.auth-caps-sign
  expect card last-day 2025-06-18 by mynumber.card.tenth-birthday
  expect auth status issued
  expect card status assigned

at 2016-01-12(火) 10:00
apply 花子 collect at sammu
  shows photo-id
  expect refused mynumber.documents.handover-notice
apply 花子 collect at sammu
  shows handover-notice, photo-id
  expect accepted
  expect fee 0 mynumber.fee.none
  expect card status held
  expect auth status valid
  expect sign status valid
  expect auth on-card yes
  expect sign on-card yes
  expect auth window 2020-03-19
  expect auth generation 1
  expect sign generation 1

# --- 有効なものがある間は、もう一つ発行できない
apply 花子 issue at sammu
  shows application-form, card, photo-id
  expect refused application.double-issue

# --- 平成29年の改姓: 署名用だけが失効する
at 2017-05-08(月) 11:00
change 花子 name at sammu
  happened 2017-05-05
  name 成東 花子
  expect rule mynumber.ends.name
  expect sign status revoked
  expect sign reason affiliation-changed
  expect sign revoked-at 2017-05-08 11:00
  expect sign listed affiliation-changed
  expect auth status valid
  expect auth listed no
  expect card status held
  expect notice revoked sent

# --- 署名用を再び発行。利用者証明用の残りの期間に合わせられる。
apply 花子 issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect accepted mynumber.validity.auth-caps-sign
  expect fee 0 mynumber.fee.record-change-waived
  expect sign last-day 2020-06-18 by mynumber.validity.auth-caps-sign not 2021-06-18 mynumber.validity.fifth-birthday
  expect sign status valid
  expect sign former status revoked
  expect sign on-card yes
  expect auth on-card yes

# --- 更新の受付は最終日の3か月前の翌日から
at 2020-03-18(水) 10:00
look 花子
  expect notice expiry none
apply 花子 renew at sammu
  shows application-form, card, photo-id
  expect refused mynumber.renewal.before-window
  expect alternative auth 2024-06-18 by mynumber.validity.fifth-birthday
  expect alternative sign 2024-06-18
at 2020-03-19(木) 10:00
look 花子
  expect notice expiry sent
  expect mail まもなく満了します
apply 花子 renew at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window mynumber.validity.sixth-birthday
  expect fee 0 mynumber.fee.renewal-waived
  expect auth last-day 2025-06-18 by mynumber.validity.sixth-birthday not 2025-06-18 mynumber.validity.card-caps
  expect sign last-day 2025-06-18 by mynumber.validity.sixth-birthday not 2025-06-18 mynumber.validity.auth-caps-sign
  expect card last-day 2025-06-18
  expect auth former status revoked
  expect auth former reason superseded
  expect auth former revoked-at 2020-03-19 10:00
  expect sign former listed superseded
  expect auth generation 2
  expect sign generation 2
  expect notices revoked 1

# --- 紛失: 電話で一時停止(24時間)
at 2021-08-14(土) 23:30
lose 花子
  expect rule mynumber.ends.phone-loss-report
  expect sign status suspended
  expect auth status suspended
  expect sign suspended-at 2021-08-14 23:30
  expect sign listed certificate-hold
  expect card status suspended
  expect notice suspended sent

# --- カードと電子証明書の再交付。前のものの失効理由と停止の日時は残る。
at 2021-09-01(水) 10:00
apply 花子 renew at sammu
  shows application-form, photo-id
  expect refused card.not-usable
apply 花子 reissue at sammu
  shows application-form, photo-id
  because loss
  card MN-0002 mynumber
  expect accepted mynumber.card.tenth-birthday
  expect fee 1000 mynumber.fee.reissue-card mynumber.fee.reissue-certificates
  expect auth last-day 2026-06-18 by mynumber.validity.fifth-birthday not 2031-06-18 mynumber.validity.card-caps
  expect sign last-day 2026-06-18
  expect card is MN-0002
  expect card status held
  expect card last-day 2031-06-18 by mynumber.card.tenth-birthday
  expect auth status valid
  expect auth generation 2
  expect sign generation 2
  expect sign former status revoked
  expect sign former reason key-compromise
  expect sign former suspended-at 2021-08-14 23:30
  expect sign former revoked-at 2021-09-01 10:00
  expect auth former listed key-compromise
  expect auth on-card yes

# --- 更新期間、通知、更新しないままの満了
at 2026-03-18(水) 10:00
look 花子
  expect notices expiry 1
at 2026-03-19(木) 10:00
look 花子
  expect notice expiry sent
  expect notices expiry 2
  expect auth window 2026-03-19
at 2026-06-18(木) 23:00
look 花子
  expect auth status valid
at 2026-06-19(金) 10:00
look 花子
  expect auth status expired
  expect sign status expired
  expect notice expired sent
  expect auth listed no
  expect card status held

# --- 満了した後は新規発行。手数料はかからない。
apply 花子 issue at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.validity.fifth-birthday
  expect fee 0 mynumber.fee.expired-waived
  expect auth last-day 2031-06-18 by mynumber.validity.fifth-birthday
  expect auth generation 3
