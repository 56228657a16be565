story 住民基本台帳カードの電子証明書を終わらせるもの

office sammu
  municipality 12237 山武市 Sammu-shi
  telephone 0475-80-0000
office togane
  municipality 12213 東金市 Togane-shi
  telephone 0475-50-0000

at 2013-10-01(火) 10:00

person 氏名
  name 山武 一子
  birth 1971-01-01
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail one@mail.example
person 性別
  name 山武 二郎
  birth 1972-02-02
  sex male
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail two@mail.example
person 住所
  name 山武 三江
  birth 1973-03-03
  sex female
  address 千葉県山武市殿台3番地
  lives-in 12237
  mail three@mail.example
person 生年月日
  name 山武 四郎
  birth 1974-04-04
  sex male
  address 千葉県山武市殿台4番地
  lives-in 12237
  mail four@mail.example
person 転出
  name 山武 五月
  birth 1975-05-05
  sex female
  address 千葉県山武市殿台5番地
  lives-in 12237
person 紛失
  name 山武 六助
  birth 1976-06-06
  sex male
  address 千葉県山武市殿台6番地
  lives-in 12237
person 引換
  name 山武 七海
  birth 1977-07-07
  sex female
  address 千葉県山武市殿台7番地
  lives-in 12237
  mail seven@mail.example
person 死亡
  name 山武 八重
  birth 1928-08-08
  sex female
  address 千葉県山武市殿台8番地
  lives-in 12237
  mail eight@mail.example

apply 氏名 issue at sammu
  shows application-form, card, photo-id
  card JC-0001 juki
  expect juki last-day 2016-09-30
apply 性別 issue at sammu
  shows application-form, card, photo-id
  card JC-0002 juki
  expect juki status valid
apply 住所 issue at sammu
  shows application-form, card, photo-id
  card JC-0003 juki
  expect juki status valid
apply 生年月日 issue at sammu
  shows application-form, card, photo-id
  card JC-0004 juki
  expect juki status valid
apply 転出 issue at sammu
  shows application-form, card, photo-id
  card JC-0005 juki
  expect juki status valid
apply 紛失 issue at sammu
  shows application-form, card, photo-id
  card JC-0006 juki
  expect juki status valid
apply 死亡 issue at sammu
  shows application-form, card, photo-id
  card JC-0008 juki
  expect juki status valid

# --- 四つの記載事項のどれかが修正されると、直ちに失効する
at 2014-02-12(水) 09:30
change 氏名 name at sammu
  happened 2014-02-10
  name 成東 一子
  expect rule juki.ends.name
  expect juki status revoked
  expect juki reason affiliation-changed
  expect juki revoked-at 2014-02-12 09:30       # 原因の日ではなく、記録した時に効力を失う
  expect juki listed affiliation-changed
  expect card status held
  expect notice revoked sent
  expect mail 失効
change 性別 sex at sammu
  sex female
  expect rule juki.ends.sex
  expect juki status revoked
change 住所 address at sammu
  address 千葉県山武市成東100番地
  expect rule juki.ends.address
  expect juki status revoked
change 生年月日 birth-date at sammu
  birth 1974-04-05
  expect rule juki.ends.birth-date
  expect juki status revoked

# --- 軽微な修正では失効しない
change 紛失 minor at sammu
  address 千葉県山武市殿台六番地
  expect no-event CertificateRevoked
  expect juki status valid

# --- 失効した後は、新しい氏名で発行できる
apply 氏名 issue at sammu
  shows application-form, card, photo-id
  expect accepted juki.validity.three-years
  expect fee 500
  expect juki last-day 2017-02-11
  expect juki former status revoked

# --- 転出予定日に失効し、転入先であらためて申請する
change 転出 move-out at sammu
  planned 2014-03-01
  expect rule juki.ends.move-out
  expect juki status valid
  expect deadline move-in-30 none
at 2014-03-03(月) 10:00
  expect 転出 juki status revoked
  expect 転出 juki revoked-at 2014-03-01 03:00
change 転出 move-in at togane
  happened 2014-03-01
  lives-in 12213
  address 千葉県東金市東岩崎5番地
apply 転出 issue at sammu
  shows application-form, card, photo-id
  expect refused juki.eligibility.other-municipality
apply 転出 issue at togane
  shows application-form, card, photo-id
  expect accepted
  expect juki last-day 2017-03-02

# --- 電話による一時停止の制度はない。窓口の届出で失効する。
lose 紛失
  expect event LossReported
  expect no-event CertificateSuspended
  expect juki status valid
lose 紛失 at sammu
  expect rule juki.ends.loss-report
  expect juki status revoked
  expect juki reason key-compromise

# --- 死亡
change 死亡 death
  happened 2014-03-02
  expect rule juki.ends.death
  expect juki status revoked
  expect juki reason cessation-of-operation
  expect card status void
  expect no-mail

# --- 満了しても、制度のある間は再び発行できる
at 2015-12-21(月) 10:00
apply 引換 issue at sammu
  shows application-form, card, photo-id
  card JC-0007 juki
  expect juki last-day 2018-12-20

# --- マイナンバーカードの交付と引換えに住基カードを返し、その電子証明書は失効する
at 2016-01-18(月) 10:00
factory 引換 card MC-0007
  expect accepted
  expect juki status valid
at 2016-02-02(火) 10:00
apply 引換 collect at sammu
  shows handover-notice, photo-id
  takes-back JC-0007
  expect accepted
  expect rule juki.ends.mynumber-handover
  expect juki status revoked
  expect juki reason cessation-of-operation
  expect sign status valid
  expect auth status valid
  expect card is MC-0007
  expect card status held

# --- 運用終了までは、失効の申請を受け付ける
at 2016-09-01(木) 10:00
apply 氏名 revoke at sammu
  shows application-form, photo-id
  expect accepted juki.regime.run-off juki.ends.holder-application
  expect juki status revoked
  expect juki reason cessation-of-operation
  expect notices revoked 1                     # 窓口で自ら申請した失効は通知しない
