story 電子証明書がカードとともに終わる人への通知

# カードの最終日で終わる電子証明書は、電子証明書だけを更新しても延びない。満了した後は、そのカードには発行できない。
office sammu
  municipality 12237 山武市 Sammu-shi
  hours 09:00-17:00
  telephone 0475-00-0000
  law refuse-gainless-renewal yes

person 大人
  name 期限 大人
  birth 1980-02-10
  sex female
  address 千葉県山武市殿台20番地
  lives-in 12237
  mail otona@mail.example
person 子
  name 期限 子
  birth 2008-02-10
  sex male
  address 千葉県山武市殿台20番地
  lives-in 12237
  mail ko@mail.example

at 2016-01-15(金) 02:00
factory 大人 card G-1
  expect card last-day 2025-02-10 by mynumber.card.tenth-birthday
factory 子 card G-2
  expect card last-day 2020-02-10
at 2016-01-20(水) 10:00
apply 大人 collect at sammu
  shows handover-notice, photo-id
apply 子 collect at sammu
  by legal-representative
  shows handover-notice, proof-of-representation, proxy-photo-id

# 子(18歳未満)のカードは5回目の誕生日まで。電子証明書も同じ日に終わる
at 2019-11-12(火) 10:00
look 子
  expect notices expiry 1
  expect mail カードの有効期間
at 2019-12-02(月) 10:00
apply 大人 renew at sammu
  shows application-form, card, photo-id
  expect auth last-day 2025-02-10 by mynumber.validity.card-caps
at 2020-02-12(水) 10:00
look 子
  expect notices expired 1
  expect no-mail いつでも発行を受けられます
# 満了のお知らせのとおりに、カードを持って来た
apply 子 issue at sammu
  card G-3 mynumber
  by legal-representative
  kinds auth
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect accepted

at 2024-11-12(火) 10:00
look 大人
  expect notices expiry 2
  expect mail カードの有効期間
# 通知のとおりに、カードを持って更新に来た。最終日は変わらない
apply 大人 renew at sammu
  shows application-form, card, photo-id
  expect refused mynumber.validity.nothing-left
at 2025-02-12(水) 10:00
apply 大人 issue at sammu
  card G-4 mynumber
  shows application-form, card, photo-id
  expect accepted
