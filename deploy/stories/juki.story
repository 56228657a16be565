story 住民基本台帳カードの電子証明書、発行から運用終了まで

# 千葉県知事が発行し、山武市長を経て交付される。本庁は平日9時から17時。

office sammu
  municipality 12237 山武市 Sammu-shi
  hours 09:00-17:00
  telephone 0475-80-0000

office matsuo                       # 松尾出張所。平成24年4月からは取り扱わない。
  municipality 12237 山武市 Sammu-shi
  branch
  hours 09:00-17:00
  telephone 0475-80-0001

person 花子
  name 山武 花子
  birth 1970-06-18
  sex female
  address 千葉県山武市殿台296番地
  lives-in 12237
  mail hanako@mail.example

person 次郎
  name 松尾 次郎
  birth 1955-11-03
  sex male
  address 千葉県山武市松尾町五反田3012番地
  lives-in 12237
  mail jiro@mail.example

# --- 制度が始まる前
at 2004-01-28(水) 10:00
apply 花子 issue at sammu
  shows application-form, card, photo-id
  card JK-0001 juki
  expect refused juki.regime.not-begun
  expect juki status none

# --- 最初の日
at 2004-01-29(木) 09:00
apply 次郎 issue at sammu
  shows application-form, card, photo-id
  card JK-0002 juki
  expect accepted juki.regime.begun juki.validity.three-years
  expect fee 500 juki.fee.new
  expect juki last-day 2007-01-28 by juki.validity.three-years
  expect juki status valid
  expect juki on-card yes

# --- 最初の満了。更新期間も有効期限通知もない。
at 2007-01-28(日) 23:00
look 次郎
  expect juki status valid
  expect juki window none
  expect notice expiry none
at 2007-01-29(月) 10:00
look 次郎
  expect juki status expired
  expect notice expired sent
  expect mail 平成19年

# --- 満了後は新規発行として、あらためて申請できる。出張所でもまだ受け付ける。
at 2012-03-30(金) 16:59
apply 次郎 renew at matsuo
  shows application-form, card, photo-id
  expect accepted juki.validity.three-years
  expect fee 500
  expect juki last-day 2015-03-29 by juki.validity.three-years
  expect juki status valid
  expect juki former status expired

# --- 出張所の取扱いは平成24年3月まで
at 2012-04-02(月) 10:00
apply 花子 issue at matsuo
  shows application-form, card, photo-id
  card JK-0001 juki
  expect refused juki.office.branch-ceased

# --- 時間外と閉庁日
at 2012-11-30(金) 17:01
apply 花子 issue at sammu
  shows application-form, card, photo-id
  card JK-0001 juki
  expect refused office.closed.after-hours
at 2012-12-01(土) 10:00
apply 花子 issue at sammu
  shows application-form, card, photo-id
  card JK-0001 juki
  expect refused office.closed.saturday

# --- 月曜に出直して発行
at 2012-12-03(月) 10:00
apply 花子 issue at sammu
  shows application-form, card, photo-id
  card JK-0001 juki
  expect accepted juki.eligibility.resident office.open.hours
  expect fee 500 juki.fee.new
  expect juki last-day 2015-12-02 by juki.validity.three-years
  expect juki status valid
  expect juki generation 2
  expect juki on-card yes
  expect juki listed no
  expect event Delivered

# --- 有効なものがある間は二枚目を発行できない
apply 花子 issue at sammu
  shows application-form, card, photo-id
  expect refused application.double-issue

# --- 更新。これまでのものはその時に失効し、残りの期間は失われる。
at 2015-11-30(月) 10:00
apply 花子 renew at sammu
  shows application-form, card, photo-id
  expect accepted juki.renewal.unused-time-lost
  expect fee 500 juki.fee.renewal
  expect juki last-day 2018-11-29 by juki.validity.three-years
  expect juki status valid
  expect juki on-card yes
  expect juki former status revoked
  expect juki former reason superseded
  expect juki former revoked-at 2015-11-30 10:00
  expect juki former listed superseded
  expect notice revoked none

# --- 発行は平成27年12月22日で終わった
at 2015-12-24(木) 10:00
apply 次郎 issue at sammu
  shows application-form, card, photo-id
  expect refused juki.regime.issue-ended juki.regime.gap

# --- 運用終了まで、失効と暗証番号の初期化は続く
at 2018-06-01(金) 10:00
block-pin 花子 sign at sammu
  expect event PinBlocked
apply 花子 unblock at sammu
  shows application-form, card, photo-id
  expect accepted juki.regime.run-off
  expect fee 0 juki.fee.none
  expect event PinUnblocked
apply 花子 renew at sammu
  shows application-form, card, photo-id
  expect refused juki.regime.issue-ended

at 2018-11-30(金) 10:00
look 花子
  expect juki status expired
  expect notices expired 1
  expect mail 山武市
apply 花子 revoke at sammu
  shows application-form, photo-id
  expect refused application.nothing-held

at 2018-12-25(火) 10:00
apply 花子 unblock at sammu
  shows application-form, card, photo-id
  expect refused juki.regime.run-off-ended
