story 十連休をはさむ転居の期限

# 期限の日が閉庁日なら次の開庁日まで延びる。令和元年の十連休(4月27日~5月6日)の後は5月7日。

office honcho
  municipality 12213 東金市 Togane-shi
  telephone 0475-50-1111

office sammu
  municipality 12237 山武市 Sammu-shi

office kita
  municipality 01102 札幌市北区 Sapporo-shi-Kita-ku

person 提出
  name 本納 一
  birth 1985-01-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail a@mail.example

person 転入
  name 本納 二
  birth 1986-02-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail b@mail.example

person 連休
  name 本納 三
  birth 1987-03-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail c@mail.example

person 遅刻
  name 本納 四
  birth 1988-04-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail e@mail.example

person 失念
  name 本納 五
  birth 1989-05-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail f@mail.example

person 在住
  name 本納 六
  birth 1990-06-20
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail g@mail.example

at 2018-10-01(月) 10:00
factory 提出 card R-a

factory 転入 card R-b

factory 連休 card R-c

factory 遅刻 card R-e

factory 失念 card R-f

factory 在住 card R-g

at 2018-10-16(火) 10:00
apply 提出 collect at honcho
  shows handover-notice, photo-id

apply 転入 collect at honcho
  shows handover-notice, photo-id

apply 連休 collect at honcho
  shows handover-notice, photo-id

apply 遅刻 collect at honcho
  shows handover-notice, photo-id

apply 失念 collect at honcho
  shows handover-notice, photo-id

apply 在住 collect at honcho
  shows handover-notice, photo-id

at 2019-02-04(月) 10:00
change 提出 move-out at honcho
  planned 2019-02-05

at 2019-02-06(水) 10:00
change 提出 move-in at sammu
  happened 2019-02-05
  lives-in 12237
  address 千葉県山武市蓮沼1番地
  expect deadline card-90 2019-05-07

at 2019-03-27(水) 10:00
change 転入 move-out at honcho
  planned 2019-03-28
  expect deadline move-in-30 2019-05-07
change 連休 move-out at honcho
  planned 2019-04-15
  expect deadline move-in-30 2019-05-15
change 遅刻 move-out at honcho
  planned 2019-04-15
change 失念 move-out at honcho
  planned 2019-03-28

at 2019-05-07(火) 09:00
change 転入 move-in at sammu
  happened 2019-04-26
  lives-in 12237
  address 千葉県山武市蓮沼2番地
  keeps-using
  expect auth status valid
  expect deadline move-in-30 met
change 連休 move-in at sammu
  happened 2019-04-15
  lives-in 12237
  address 千葉県山武市蓮沼3番地
  keeps-using
  expect auth status valid
apply 提出 continue-use at sammu
  shows application-form, card, photo-id
  expect accepted
  expect deadline card-90 met
  expect auth status valid

at 2019-05-08(水) 04:00
look 失念
  expect auth status revoked
  expect card status void
  expect auth revoked-at 2019-05-08 03:00
  expect deadline move-in-30 missed
look 在住
  expect auth status valid

at 2019-05-08(水) 09:00
change 遅刻 move-in at sammu
  happened 2019-04-15
  lives-in 12237
  address 千葉県山武市蓮沼4番地
  keeps-using
  expect auth status revoked
  expect rule mynumber.ends.late-move-in
change 失念 move-in at sammu
  happened 2019-03-28
  lives-in 12237
  address 千葉県山武市蓮沼5番地
  expect auth status revoked
  expect card status void
  expect deadline card-90 none
