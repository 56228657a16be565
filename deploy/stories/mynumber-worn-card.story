story 書き込めないカード
# カードの記憶が壊れていて、電子証明書を書き込めない。何度か試したのち、交付前に廃棄した電子証明書として失効し、カードを預かる。

office saitama
  municipality 11101 さいたま市西区 Saitama-shi-Nishi-ku

person 甲
  name 大宮 甲
  birth 1990-06-01
  sex male
  address 埼玉県さいたま市西区西大宮3丁目4番地2
  lives-in 11101
  mail omiya@mail.example

person 乙
  name 大宮 乙
  birth 1990-06-02
  sex male
  address 埼玉県さいたま市西区西大宮3丁目4番地2
  lives-in 11101

at 2012-12-03(月) 10:00

apply 乙 issue at saitama
  card J-1 juki
  worn-card
  shows application-form, card, photo-id
  expect counter-says カードへの書込みができませんでした
  expect juki status revoked
  expect juki reason unspecified
  expect juki listed unspecified

at 2020-02-03(月) 02:00

factory 甲 card MN-1

at 2020-03-02(月) 10:00

apply 甲 collect at saitama
  shows handover-notice, photo-id

at 2024-03-04(月) 10:00

apply 甲 renew at saitama
  worn-card
  shows application-form, card, photo-id
  expect accepted mynumber.renewal.in-window
  expect counter-says カードへの書込みができませんでした
  expect auth status revoked
  expect auth reason unspecified
  expect auth listed unspecified
  expect auth former reason superseded
  expect sign status revoked
  expect sign reason unspecified
  expect sign listed unspecified
  expect card status custody

apply 甲 reissue at saitama
  card MN-2 mynumber
  because fault
  shows application-form, photo-id
  expect accepted
  expect fee 0
  expect auth status valid
  expect auth on-card yes
  expect card is MN-2
