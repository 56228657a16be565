story スマートフォンの電子証明書

# カードの電子証明書をもとに、スマートフォンにも電子証明書を入れる。もとのものに従って終わり、窓口の時間にはよらない。
# 端末の紛失では端末のものだけが止まり、見つかれば利用者証明用だけが生き返る。

office sammu
  municipality 12237 山武市 Sammu-shi
  hours 09:00-17:00

person 花子
  name 山武 花子
  birth 1985-06-18
  sex female
  address 千葉県山武市殿台296番地
  lives-in 12237
  mail hanako@mail.example

person 太郎
  name 山武 太郎
  birth 1990-09-01
  sex male
  address 千葉県山武市殿台296番地
  lives-in 12237

person 子
  name 山武 一子
  birth 2012-09-01
  sex female
  address 千葉県山武市殿台296番地
  lives-in 12237

at 2022-06-01(水) 10:00

apply 花子 issue at sammu
  card MN-1 mynumber
  shows application-form, photo-id

apply 太郎 issue at sammu
  card MN-2 mynumber
  shows application-form, photo-id

apply 子 issue at sammu
  card MN-3 mynumber
  by legal-representative
  shows application-form, proof-of-representation, proxy-photo-id
  expect sign status none

# --- Androidは令和5年5月11日から。窓口の開いていない日曜の夜中でも受け付ける
at 2023-05-10(水) 22:00
phone 花子 register pixel android
  expect refused mynumber.phone.android-not-yet
  expect phone pixel auth status none

at 2023-05-14(日) 02:00
phone 花子 register pixel android
  expect accepted mynumber.phone.android mynumber.phone.day-and-night mynumber.phone.signed-with-card
  expect fee 0 mynumber.fee.phone
  expect phone pixel auth status valid
  expect phone pixel sign status valid
  expect phone pixel auth last-day 2026-06-18 by mynumber.phone.card-certificate-caps
  expect phone pixel sign window none
  expect rule mynumber.phone.no-own-notice
  expect auth status valid
  expect auth on-card yes

phone 花子 register pixel android
  expect refused mynumber.phone.one-set
phone 花子 register old-pixel android
  expect refused mynumber.phone.another-of-its-kind
phone 花子 register apple iphone
  expect refused mynumber.phone.iphone-not-yet
phone 太郎 register galaxy android
  expect accepted

# --- 15歳未満の方のカードには署名用がないため、スマートフォンにも入れられない
phone 子 register kids android auth
  expect counter-says カードの署名用電子証明書で電子署名できません
  expect phone kids auth status none

# --- 転居: カードの署名用が失効し、スマートフォンの署名用も従う。利用者証明用はどちらも残る
at 2023-06-01(木) 11:00
change 花子 address at sammu
  address 千葉県山武市成東100番地
  expect sign status revoked
  expect phone pixel sign status revoked
  expect phone pixel sign reason affiliation-changed
  expect phone pixel sign revoked-at 2023-06-01 11:00
  expect phone pixel sign listed affiliation-changed
  expect rule mynumber.phone.follows-card
  expect phone pixel auth status valid
  expect phone pixel auth listed no
  expect notice revoked sent
  expect notices revoked 1

phone 花子 register pixel android sign
  expect refused mynumber.phone.signature-needed

# --- カードの署名用が新しくなれば、スマートフォンにももう一度入れられる
at 2023-06-02(金) 10:00
apply 花子 issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect sign status valid
phone 花子 register pixel android sign
  expect accepted
  expect phone pixel sign status valid
  expect phone pixel sign last-day 2026-06-18 by mynumber.phone.card-certificate-caps
  expect phone pixel auth status valid

# --- スマートフォンの紛失: 電話で一時停止。カードのものはそのまま
at 2023-07-03(月) 03:00
phone 花子 lose pixel
  expect rule mynumber.phone.ends.lost
  expect phone pixel auth status suspended
  expect phone pixel sign status suspended
  expect phone pixel auth listed certificate-hold
  expect phone pixel sign suspended-at 2023-07-03 03:00
  expect auth status valid
  expect sign status valid
  expect auth listed no
  expect card status held
phone 花子 register pixel android sign
  expect refused mynumber.phone.one-set mynumber.phone.reported-lost

# --- 見つかった: 利用者証明用は一時停止を解除、署名用は失効して入れ直す
at 2023-07-04(火) 04:00
phone 花子 find pixel
  expect accepted
  expect rule mynumber.phone.ends.found
  expect event CertificateReleased
  expect phone pixel auth status valid
  expect phone pixel auth listed no
  expect phone pixel sign status revoked
  expect phone pixel sign reason key-compromise
  expect phone pixel sign listed key-compromise
phone 花子 find pixel
  expect refused mynumber.phone.not-lost
phone 花子 register pixel android sign
  expect accepted
  expect phone pixel sign status valid

# --- カードの紛失: スマートフォンのものも止まる。カードのものは解除されないので、スマートフォンのものも生き返らない
at 2024-01-09(火) 20:00
lose 花子
  expect auth status suspended
  expect phone pixel auth status suspended
  expect phone pixel sign status suspended
  expect phone pixel auth listed certificate-hold
phone 花子 lose pixel
at 2024-01-10(水) 09:30
phone 花子 find pixel
  expect refused mynumber.phone.signature-needed
phone 花子 find pixel at sammu
  expect rule mynumber.phone.card-suspended
  expect phone pixel auth status suspended
  expect phone pixel sign status revoked
find 花子 at sammu
  expect auth status revoked
  expect auth reason key-compromise
  expect phone pixel auth status revoked
  expect phone pixel auth reason key-compromise
apply 花子 issue at sammu
  shows application-form, card, photo-id
  expect auth last-day 2028-06-18 by mynumber.validity.fifth-birthday
phone 花子 register pixel android
  expect accepted
  expect phone pixel auth last-day 2028-06-18 by mynumber.phone.card-certificate-caps

# --- iPhoneは令和7年6月24日から。AndroidとiPhoneは一台ずつ持てる
at 2025-06-23(月) 23:59
phone 花子 register apple iphone
  expect refused mynumber.phone.iphone-not-yet
at 2025-06-24(火) 00:00
phone 花子 register apple iphone
  expect accepted mynumber.phone.iphone
  expect phone apple auth status valid
  expect phone pixel auth status valid

# --- 手放す前の失効申請
at 2025-07-01(火) 23:00
phone 花子 dispose pixel
  expect accepted
  expect rule mynumber.phone.ends.holder-application
  expect phone pixel auth status revoked
  expect phone pixel auth reason cessation-of-operation
  expect phone apple auth status valid
  expect auth status valid
phone 花子 dispose pixel
  expect refused application.nothing-held

# --- 更新しなければ、カードのものと同じ日に満了する。知らせはカードのものだけ
at 2027-09-02(木) 10:00
look 太郎
  expect auth status expired
  expect phone galaxy auth status expired
  expect phone galaxy sign status expired
  expect phone galaxy auth last-day 2026-09-01

# --- カードの更新: もとのものとともに終わり、入れ直す
at 2028-04-03(月) 10:00
look 花子
  expect notices expiry 1
apply 花子 renew at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window
  expect phone apple auth status revoked
  expect phone apple auth reason superseded
  expect phone apple sign reason superseded
  expect phone apple auth listed superseded
phone 花子 register apple iphone
  expect accepted
  expect phone apple auth status valid

# --- 死亡
at 2028-05-08(月) 10:00
change 花子 death
  expect auth status revoked
  expect phone apple auth status revoked
  expect phone apple auth reason cessation-of-operation
  expect phone apple sign reason cessation-of-operation
