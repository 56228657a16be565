story 住基カードの最後の受付
# 最後の受付は役所ごとに違い、国の終了日(平成27年12月22日)より後にはならない。間に合った受付も、日をまたげば発行できない。

office h16
  municipality 12213 東金市 Togane-shi
  last-acceptance 2015-12-22 16:00

office sammu
  municipality 12237 山武市 Sammu-shi

office oi
  municipality 14363 大井町 Oi-machi
  hours 8:30-17:15
  last-acceptance 2015-12-18 17:15

person 春
  name 東金 春
  birth 1950-01-01
  sex male
  address 千葉県東金市東岩崎1番地
  lives-in 12213
  mail p1@mail.example

person 夏
  name 山武 夏
  birth 1950-01-02
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

person 秋
  name 足柄 秋
  birth 1950-01-04
  sex male
  address 神奈川県大井町金子3番地
  lives-in 14363
  mail p3@mail.example

person 冬
  name 足柄 冬
  birth 1950-01-05
  sex female
  address 神奈川県大井町金子4番地
  lives-in 14363
  mail p4@mail.example

person 朝
  name 山武 朝
  birth 1950-01-06
  sex female
  address 千葉県山武市殿台5番地
  lives-in 12237
  mail p5@mail.example

person 夕
  name 山武 夕
  birth 1950-01-07
  sex female
  address 千葉県山武市殿台6番地
  lives-in 12237
  mail p6@mail.example

at 2015-12-18(金) 17:14

apply 秋 issue at oi
  card J-1 juki
  shows application-form, card, photo-id
  expect accepted
  expect juki last-day 2018-12-17

at 2015-12-21(月) 10:00

apply 冬 issue at oi
  card J-2 juki
  shows application-form, card, photo-id
  expect refused juki.office.last-acceptance

apply 秋 renew at oi
  shows application-form, card, photo-id
  expect refused juki.office.last-acceptance

apply 秋 revoke at oi
  shows application-form, card, photo-id
  because wish
  expect accepted
  expect juki reason cessation-of-operation

at 2015-12-22(火) 15:59

apply 春 issue at h16
  card J-3 juki
  shows application-form, card, photo-id
  until accepted
  expect accepted

at 2015-12-22(火) 16:00

apply 春 renew at h16
  shows application-form, card, photo-id
  expect refused juki.office.last-acceptance

at 2015-12-22(火) 16:59

apply 夏 issue at sammu
  card J-4 juki
  shows application-form, card, photo-id
  until accepted
  expect accepted

apply 朝 issue at sammu
  card J-5 juki
  shows application-form, card, photo-id
  until accepted
  expect accepted

at 2015-12-22(火) 17:01

apply 夕 issue at sammu
  card J-6 juki
  shows application-form, card, photo-id
  expect refused office.closed.after-hours

# --- 16時59分に受け付けたものは、その日のうちなら最後まで進む
at 2015-12-22(火) 17:10

confirm 夏
  expect juki status issued
  expect juki last-day 2018-12-21

hand-out 夏
  expect juki status valid

# --- 日をまたいだものは、鍵を作っても発行されない
at 2015-12-24(木) 09:30

confirm 朝
  expect refused juki.regime.issue-ended juki.regime.gap
  expect event ApplicationWithdrawn
  expect juki status none

apply 夏 renew at sammu
  shows application-form, card, photo-id
  expect refused juki.regime.issue-ended
