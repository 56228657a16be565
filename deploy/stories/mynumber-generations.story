story 認証局の世代

# 署名用と利用者証明用の認証局は、別々の時刻に新しい鍵へ替わる(令和元年9月15日の朝、令和5年7月16日の9時50分と10時1分)。

office honcho
  municipality 12213 東金市 Togane-shi
  telephone 0475-50-1111

person 前夜
  name 土気 一
  birth 1960-06-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail a@mail.example

person 翌朝
  name 土気 二
  birth 1961-06-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail b@mail.example

person 前日
  name 土気 三
  birth 1962-06-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail c@mail.example

person 直前
  name 土気 四
  birth 1963-06-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail e@mail.example

person 合間
  name 土気 五
  birth 1964-06-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail f@mail.example

person 直後
  name 土気 六
  birth 1965-06-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail g@mail.example

person 満了後
  name 土気 七
  birth 1966-06-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail h@mail.example

at 2019-09-14(土) 23:59
factory 前夜 card I-a
  expect accepted
  expect sign generation 1
  expect auth generation 1
  expect auth last-day 2024-06-01

at 2019-09-15(日) 09:00
factory 翌朝 card I-b
  expect accepted
  expect sign generation 2
  expect auth generation 2
  expect auth last-day 2024-06-01

at 2023-07-15(土) 12:00
factory 前日 card I-c
  expect accepted
  expect sign generation 2
  expect auth generation 2
  expect auth last-day 2028-06-01

at 2023-07-16(日) 09:40
factory 直前 card I-e
  expect accepted
  expect sign generation 2
  expect auth generation 2
  expect auth last-day 2028-06-01

at 2023-07-16(日) 09:55
factory 合間 card I-f
  expect accepted
  expect sign generation 3
  expect auth generation 2
  expect auth last-day 2028-06-01

at 2023-07-16(日) 10:10
factory 直後 card I-g
  expect accepted
  expect sign generation 3
  expect auth generation 3
  expect auth last-day 2028-06-01

at 2025-10-20(月) 09:00
factory 満了後 card I-h
  expect accepted
  expect sign generation 3
  expect auth generation 3
  expect auth last-day 2030-06-01

at 2025-10-21(火) 10:00
order 満了後 ca-compromise
  expect sign status revoked
  expect sign reason ca-compromise
  expect auth status revoked
  expect card status assigned
  expect auth listed ca-compromise
