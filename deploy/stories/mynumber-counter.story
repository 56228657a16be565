story 窓口のさまざま: 代理、暗証番号、紛失と発見、職権、特急

office sammu
  municipality 12237 山武市 Sammu-shi
  hours 09:00-17:00
  hours 09:00-12:00 日 for renew unblock from 2024-04-01     # 日曜の午前は更新と初期化だけ
  closed 2024-10-15 12:00 until 2024-10-15 17:00             # システムの停止
  telephone 0475-80-0000

person 花子
  name 山武 花子
  furigana さんむ はなこ
  birth 1980-12-20
  sex female
  address 千葉県山武市殿台296番地
  lives-in 12237
  mail hanako@mail.example
person 無縁
  name 山武 縁
  birth 1981-12-20
  sex female
  address 千葉県山武市殿台297番地
  lives-in 12237
person 太郎
  name 山武 太郎
  birth 1979-03-03
  sex male
  address 千葉県山武市殿台298番地
  lives-in 12237
  mail taro@mail.example

at 2019-12-20(金) 02:00
factory 花子 card CT-0001
  expect auth last-day 2024-12-20 by mynumber.validity.fifth-birthday
factory 無縁 card CT-0002
  expect auth last-day 2024-12-20
factory 太郎 card CT-0003
  expect auth last-day 2024-03-03
  expect card last-day 2029-03-03
at 2020-01-20(月) 10:00
apply 花子 collect at sammu
  shows handover-notice, photo-id
apply 無縁 collect at sammu
  shows handover-notice, photo-id
apply 太郎 collect at sammu
  shows handover-notice, photo-id

# --- 他人のカードは使えない
apply 花子 unblock at sammu
  shows application-form, card, photo-id
  card CT-0003
  expect refused card.not-the-holders

# --- 暗証番号のロックと初期化。形式の合わない暗証番号は受け付けない。
block-pin 太郎 sign auth at sammu
  expect event PinBlocked
apply 太郎 unblock at sammu
  shows application-form, card, photo-id
  pins sign auth
  types sign abcdef
  expect accepted
  expect counter-says 暗証番号
drop 太郎
apply 太郎 unblock at sammu
  shows application-form, card, photo-id
  pins sign auth
  expect accepted
  expect fee 0
  expect event PinUnblocked
  expect auth status valid

# --- 紛失して一時停止し、後で見つかっても、電子証明書は元に戻らず、失効する
at 2020-03-20(金) 22:00
lose 太郎
  expect auth status suspended
  expect card status suspended
at 2020-03-23(月) 10:00
find 太郎 at sammu
  expect rule mynumber.ends.card-found
  expect card status held
  expect auth status revoked
  expect auth reason key-compromise
  expect sign status revoked
apply 太郎 reissue at sammu
  shows application-form, card, photo-id
  because loss
  expect accepted
  expect fee 200 mynumber.fee.reissue-certificates
  expect auth status valid
  expect auth former status revoked
  expect auth former reason key-compromise
  expect card is CT-0003

# --- 秘密鍵の漏えいの届出
at 2020-04-01(水) 10:00
apply 太郎 revoke at sammu
  kinds sign
  because key-leak
  shows application-form, photo-id
  expect accepted
  expect rule mynumber.ends.key-leak
  expect sign status revoked
  expect sign reason key-compromise
  expect auth status valid

# --- 認証局が記録の誤りを見つけた: 職権で失効し、本人に知らせる
at 2020-05-11(月) 10:00
order 太郎 certificate-error auth
  expect rule mynumber.ends.certificate-error
  expect auth status revoked
  expect notice revoked sent

# --- 有効期限通知書。宛先のない人には送れない。
at 2024-09-21(土) 10:00
look 花子
  expect notice expiry sent
look 無縁
  expect notice expiry suppressed because no-contact

# --- 日曜の開庁は更新だけ
at 2024-09-22(日) 10:00                            # 秋分の日
apply 無縁 renew at sammu
  shows application-form, card, photo-id
  expect refused office.closed.holiday
at 2024-09-29(日) 10:00
apply 無縁 revoke at sammu
  shows application-form, photo-id
  expect refused office.closed.sunday
apply 無縁 renew at sammu
  shows application-form, card, photo-id
  expect accepted office.open.hours mynumber.renewal.in-window
  expect auth last-day 2029-12-20 by mynumber.validity.sixth-birthday not 2029-12-20 mynumber.validity.card-caps

# --- 代理人: 通知書の暗証番号が合えばその日のうちに、合わなければ照会書を郵送して二度目の来庁
at 2024-10-15(火) 13:00
apply 花子 renew at sammu
  by proxy
  notice-pins match
  shows application-form, card, notice-answer, proxy-photo-id
  expect refused office.closed.exception
at 2024-10-16(水) 10:00
apply 花子 renew at sammu
  by proxy
  notice-pins differ
  shows application-form, card, notice-answer, proxy-photo-id
  expect deferred
apply 花子 renew at sammu
  by proxy
  notice-pins match
  shows application-form, card, notice-answer, proxy-photo-id
  expect accepted mynumber.documents.notice-answer
  expect auth last-day 2029-12-20
  expect auth status valid

# --- 特急発行は令和6年12月2日から
at 2024-11-29(金) 10:00
apply 無縁 reissue at sammu
  shows application-form, photo-id
  because loss
  express
  card CT-0022 mynumber
  expect refused mynumber.fee.express-not-yet
at 2024-12-02(月) 10:00
apply 無縁 reissue at sammu
  shows application-form, photo-id
  because loss
  express
  card CT-0022 mynumber
  expect accepted
  expect fee 2000 mynumber.fee.express-card mynumber.fee.express-certificates
  expect card is CT-0022
  expect auth former reason key-compromise
