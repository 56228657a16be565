story 住基カード、閉庁日と支所とうるう日

# 国民の休日、昼休み、年末年始、支所の取扱い、うるう日の発行、最後の日。

office honcho
  municipality 12213 東金市 Togane-shi
  hours 09:00-12:00 13:00-17:00
  open 2009-03-01 09:00 until 2009-03-01 12:00
  telephone 0475-50-1111

office shisho
  municipality 12213 東金市 Togane-shi
  branch
  hours 09:00-17:00

person 梅
  name 梅田 梅
  birth 1950-02-02
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail ume@mail.example

person 桜
  name 梅田 桜
  birth 1960-03-03
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail sakura@mail.example

person 菊
  name 梅田 菊
  birth 1970-04-04
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail kiku@mail.example

person 蘭
  name 梅田 蘭
  birth 1980-05-05
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail ran@mail.example

person 竹
  name 梅田 竹
  birth 1955-06-06
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213
  mail take@mail.example

at 2004-01-28(水) 16:59
apply 梅 issue at honcho
  shows application-form, card, photo-id
  card J-1 juki
  expect refused juki.regime.not-begun

at 2004-01-29(木) 09:00
apply 梅 issue at shisho
  shows application-form, card, photo-id
  card J-1 juki
  expect accepted
  expect juki last-day 2007-01-28 by juki.validity.three-years
  expect fee 500 juki.fee.new
  expect juki on-card yes

at 2007-01-29(月) 03:30
look 梅
  expect juki status expired

at 2007-01-29(月) 10:00
apply 梅 renew at honcho
  shows application-form, card, photo-id
  expect accepted juki.renewal.after-expiry
  expect juki last-day 2010-01-28
  expect fee 500

at 2009-03-01(日) 09:30
apply 竹 issue at honcho
  shows application-form, card, photo-id
  card J-9 juki
  expect accepted office.open.extra
  expect juki last-day 2012-02-29
  expect fee 500 juki.fee.new

at 2009-03-01(日) 12:00
apply 桜 issue at honcho
  shows application-form, card, photo-id
  card J-2 juki
  expect refused office.closed.sunday

at 2009-09-22(火) 10:00
apply 桜 issue at honcho
  shows application-form, card, photo-id
  card J-2 juki
  expect refused office.closed.citizens-day

at 2009-09-24(木) 12:30
apply 桜 issue at honcho
  shows application-form, card, photo-id
  card J-2 juki
  expect refused office.closed.lunch-gap

at 2009-09-24(木) 16:59
apply 桜 issue at honcho
  shows application-form, card, photo-id
  card J-2 juki
  expect accepted
  expect juki last-day 2012-09-23
  expect juki former status none

at 2009-12-29(火) 10:00
apply 梅 renew at honcho
  shows application-form, card, photo-id
  expect refused office.closed.year-end
  expect juki status valid

at 2010-01-04(月) 17:00
apply 梅 renew at honcho
  shows application-form, card, photo-id
  expect refused office.closed.after-hours

at 2010-01-05(火) 08:59
apply 梅 renew at honcho
  shows application-form, card, photo-id
  expect refused office.closed.before-hours

at 2010-01-06(水) 13:00
apply 梅 renew at honcho
  shows application-form, card, photo-id
  expect accepted juki.renewal.unused-time-lost
  expect juki last-day 2013-01-05
  expect juki former status revoked
  expect juki former reason superseded
  expect juki former revoked-at 2010-01-06 13:00
  expect fee 500 juki.fee.renewal

at 2012-02-29(水) 10:00
apply 竹 issue at honcho
  shows application-form, card, photo-id
  expect refused application.double-issue
apply 菊 issue at shisho
  shows application-form, card, photo-id
  card J-3 juki
  expect accepted
  expect juki last-day 2015-02-28

at 2012-03-01(木) 03:30
look 竹
  expect juki status expired
  expect juki last-day 2012-02-29

at 2012-03-30(金) 10:00
apply 竹 issue at shisho
  shows application-form, card, photo-id
  expect accepted
  expect juki last-day 2015-03-29
  expect fee 500

at 2012-04-02(月) 10:00
apply 蘭 issue at shisho
  shows application-form, card, photo-id
  card J-4 juki
  expect refused juki.office.branch-ceased
apply 蘭 issue at honcho
  shows application-form, card, photo-id
  card J-4 juki
  expect accepted
  expect juki last-day 2015-04-01

at 2015-02-27(金) 10:00
apply 菊 revoke at shisho
  shows application-form, card, photo-id
  expect refused juki.office.branch-ceased
  expect juki status valid

at 2015-09-22(火) 11:00
apply 蘭 renew at honcho
  shows application-form, card, photo-id
  expect refused office.closed.citizens-day

at 2015-12-22(火) 16:59
apply 蘭 issue at honcho
  shows application-form, card, photo-id
  expect accepted
  expect juki last-day 2018-12-21
  expect fee 500

at 2015-12-24(木) 10:00
apply 菊 issue at honcho
  shows application-form, card, photo-id
  expect refused juki.regime.issue-ended

at 2018-12-21(金) 16:00
block-pin 蘭 sign at honcho
apply 蘭 unblock at honcho
  shows application-form, card, photo-id
  pins sign
  expect accepted
  expect juki status valid
  expect juki on-card yes

at 2018-12-22(土) 03:30
look 蘭
  expect juki status expired

at 2018-12-25(火) 10:00
block-pin 蘭 sign at honcho
apply 蘭 unblock at honcho
  shows application-form, card, photo-id
  pins sign
  expect refused juki.regime.run-off-ended
