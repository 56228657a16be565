story 住民基本台帳カードの電子証明書を申請できる人と、その示すもの

office sammu
  municipality 12237 山武市 Sammu-shi
  telephone 0475-80-0000
  last-acceptance 2015-12-18 17:15          # この市の最終受付は国より早い

at 2013-06-03(月) 10:00

person 太郎
  name 山武 太郎
  birth 1948-02-29
  sex male
  address 千葉県山武市殿台279番地
  lives-in 12237
  mail taro@mail.example
person 放浪
  name 成東 放浪
  birth 1960-01-01
  sex male
  address 不詳
  lives-in 12237
  registered no
person 隣人
  name 東金 隣人
  birth 1980-01-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
person 少女
  name 山武 咲
  birth 1999-04-02
  sex female
  address 千葉県山武市殿台279番地
  lives-in 12237
person 被後見人
  name 蓮沼 静
  birth 1930-08-15
  sex female
  address 千葉県山武市蓮沼ハの1番地
  lives-in 12237
  adult-ward yes
person マリア
  name SILVA MARIA
  alias 山田 マリア
  birth 1985-09-09
  sex female
  address 千葉県山武市津辺100番地
  lives-in 12237
  foreign yes
  mail maria@mail.example
  language en

# --- 断られる人
apply 放浪 issue at sammu
  shows application-form, card, photo-id
  card JP-0001 juki
  expect refused juki.eligibility.not-registered
apply 隣人 issue at sammu
  shows application-form, card, photo-id
  card JP-0002 juki
  expect refused juki.eligibility.other-municipality
apply 少女 issue at sammu
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  card JP-0003 juki
  expect refused juki.eligibility.under-15
apply 被後見人 issue at sammu
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  card JP-0004 juki
  expect refused juki.eligibility.adult-ward
apply マリア issue at sammu
  shows application-form, card, photo-id
  card JP-0005 juki
  expect refused juki.eligibility.foreign-not-yet
apply 太郎 issue at sammu
  kinds auth
  shows application-form, card, photo-id
  card JP-0006 juki
  expect refused juki.kind.signature-only

# --- 特別な事情は、受付とは別の職員が認める
apply 少女 issue at sammu
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  card JP-0003 juki
  clerk 017
  special-circumstances granted-by 017
  expect refused eligibility.second-officer
apply 少女 issue at sammu
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  card JP-0003 juki
  clerk 017
  special-circumstances granted-by 018
  expect accepted juki.eligibility.special-circumstances
  expect juki last-day 2016-06-02
  expect event SpecialCircumstancesGranted

# --- 書類が足りない、合わない
apply 太郎 issue at sammu
  shows card, photo-id
  card JP-0006 juki
  expect refused juki.documents.form
apply 太郎 issue at sammu
  shows application-form, card, photo-id-with-old-address
  card JP-0006 juki
  expect refused juki.documents.photo-id-address

# --- 写真付きの書類がない人には、照会書兼回答書を郵送する
apply 太郎 issue at sammu
  shows application-form, card, other-id
  card JP-0006 juki
  expect deferred juki.documents.not-same-day
  expect event InquiryLetterMailed
  expect juki status none
at 2013-06-07(金) 11:00
apply 太郎 issue at sammu
  returns-letter
  shows application-form, card, other-id, another-inquiry-answer
  card JP-0006 juki
  expect refused juki.documents.inquiry-answer-other
apply 太郎 issue at sammu
  returns-letter
  shows application-form, card, other-id, inquiry-answer
  card JP-0006 juki
  expect accepted juki.documents.inquiry-answer
  expect fee 500
  expect juki last-day 2016-06-06 by juki.validity.three-years
  expect juki status valid

# --- 外国人住民は平成25年7月8日から
at 2013-07-08(月) 10:00
apply マリア issue at sammu
  shows application-form, card, photo-id
  card JP-0005 juki
  expect accepted juki.eligibility.foreign-resident
  expect juki last-day 2016-07-07

# --- 代理人による更新は、必ず二度の来庁になる
at 2014-05-30(金) 13:00
apply 太郎 renew at sammu
  by proxy
  shows application-form, card, mandate, seal-certificate, proxy-photo-id
  expect deferred juki.documents.not-same-day
at 2014-06-09(月) 13:00
apply 太郎 renew at sammu
  by proxy
  returns-letter
  shows application-form, card, mandate-without-seal, seal-certificate, proxy-photo-id, inquiry-answer
  expect refused juki.documents.mandate-seal
apply 太郎 renew at sammu
  by proxy
  returns-letter
  shows application-form, card, mandate, seal-certificate, proxy-photo-id, inquiry-answer
  expect accepted juki.documents.mandate
  expect juki last-day 2017-06-08
  expect juki former status revoked

# --- 受付の時刻で決まる: 16時59分に受けたものは最後まで処理する
at 2014-06-13(金) 16:59
apply 太郎 renew at sammu
  shows application-form, card, photo-id
  until accepted
  expect accepted office.open.hours
at 2014-06-13(金) 17:30
confirm 太郎
  expect juki status issued
hand-out 太郎
  expect juki status valid
  expect juki last-day 2017-06-12

# --- 取り下げ。書き込んだ後なら、作ったものは失効させる。
at 2014-06-16(月) 10:00
apply 太郎 renew at sammu
  shows application-form, card, photo-id
  until written
  expect juki status issued
  expect juki former status revoked
drop 太郎
  expect juki status revoked
  expect juki reason unspecified
  expect juki listed unspecified
  expect rule application.discarded-before-delivery

# --- この市の最終受付
at 2015-12-18(金) 17:15
apply 太郎 issue at sammu
  shows application-form, card, photo-id
  expect refused juki.office.last-acceptance
