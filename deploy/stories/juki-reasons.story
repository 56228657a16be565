story 住基の電子証明書、失効の理由
# 氏名の変更、軽微な修正、電話での紛失(停止の制度がない)、窓口での紛失、漏えい、記録の誤り、別のカードでの再発行。

office nagano
  municipality 20201 長野市 Nagano-shi

office ueda
  municipality 20203 上田市 Ueda-shi

person 氏
  name 信州 氏
  birth 1951-01-01
  sex male
  address 長野県長野市鶴賀緑町
  lives-in 20201
  mail a1@mail.example

person 軽
  name 信州 軽
  birth 1951-01-05
  sex male
  address 長野県長野市鶴賀緑町
  lives-in 20201

person 紛
  name 信州 紛
  birth 1951-01-08
  sex male
  address 長野県長野市鶴賀緑町
  lives-in 20201

at 2010-05-06(木) 10:00

apply 氏 issue at nagano
  card J-1 juki
  shows application-form, card, photo-id

apply 軽 issue at nagano
  card J-5 juki
  shows application-form, card, photo-id

apply 紛 issue at nagano
  card J-8 juki
  shows application-form, card, photo-id
  expect juki last-day 2013-05-05

at 2010-06-01(火) 11:00

change 氏 name at nagano
  name 甲州 氏
  expect juki status revoked
  expect juki reason affiliation-changed
  expect juki revoked-at 2010-06-01 11:00
  expect rule juki.ends.name
  expect notice revoked sent

change 軽 minor at nagano
  address 長野県長野市大字鶴賀緑町1613番地
  expect juki status valid
  expect rule juki.ends.minor-correction

lose 紛
  expect juki status valid
  expect rule juki.ends.phone-loss-report

lose 紛 at nagano
  expect juki status revoked
  expect juki reason key-compromise

at 2010-06-02(水) 10:00

apply 氏 issue at nagano
  card J-1
  because record-change
  shows application-form, card, photo-id
  expect accepted
  expect fee 500
  expect juki last-day 2013-06-01

apply 軽 revoke at nagano
  shows application-form, card, photo-id
  because key-leak
  expect accepted juki.ends.key-leak
  expect juki reason key-compromise

apply 軽 revoke at nagano
  shows application-form, card, photo-id
  because wish
  expect refused application.nothing-held

order 氏 certificate-error
  expect juki status revoked
  expect rule juki.ends.certificate-error

apply 紛 reissue at nagano
  card J-9 juki
  because loss
  shows application-form, card, photo-id
  expect accepted
  expect fee 500
  expect juki last-day 2013-06-01
