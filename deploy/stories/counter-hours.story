story 窓口の時間と受付の時刻
# 手続ごとの時間、昼休み、延長、保守。受け付けた時刻を後から入力すれば、その時刻で判断する。

office sammu
  municipality 12237 山武市 Sammu-shi
  hours 8:30-12:00 13:00-17:15
  hours 17:15-19:00 Wed for handover from 2017-04-01 until 2018-03-31
  closed 2017-06-01 until 2017-06-01
  maintenance 2017-06-02 09:00 until 2017-06-02 12:00 for reissue
  open 2017-06-04 09:00 until 2017-06-04 12:00 for handover

person 朝
  name 山武 朝
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 昼
  name 山武 昼
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

person 夜
  name 山武 夜
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台3番地
  lives-in 12237
  mail p3@mail.example

at 2017-05-01(月) 10:00

factory 朝 card MN-1

factory 昼 card MN-2

factory 夜 card MN-3

at 2017-06-01(木) 10:00

apply 朝 collect at sammu
  shows handover-notice, photo-id
  expect refused office.closed.exception

at 2017-06-02(金) 10:00

apply 朝 collect at sammu
  shows handover-notice, photo-id

apply 朝 reissue at sammu
  shows application-form, card, photo-id
  because wish
  expect refused office.closed.maintenance

at 2017-06-02(金) 12:30

apply 朝 reissue at sammu
  shows application-form, card, photo-id
  because wish
  expect refused office.closed.lunch-gap

at 2017-06-04(日) 10:00

apply 昼 collect at sammu
  shows handover-notice, photo-id

apply 昼 revoke at sammu
  shows application-form, card, photo-id
  because wish
  expect refused office.closed.sunday

at 2017-06-07(水) 18:30

apply 夜 collect at sammu
  shows handover-notice, photo-id

apply 夜 revoke at sammu
  shows application-form, card, photo-id
  because wish
  expect refused office.closed.after-hours

apply 夜 revoke at sammu
  shows application-form, card, photo-id
  received 17:14
  because wish
  expect accepted office.open.hours
  expect auth revoked-at 2017-06-07 18:30
