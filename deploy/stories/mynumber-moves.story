story 引っ越しと期限、死亡

office sammu
  municipality 12237 山武市 Sammu-shi
  telephone 0475-80-0000
office togane
  municipality 12213 東金市 Togane-shi
  telephone 0475-50-0000
office narita
  municipality 12211 成田市 Narita-shi
  telephone 0476-20-0000

at 2018-01-15(月) 10:00

person 転居
  name 山武 春
  birth 1990-04-01
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail haru@mail.example
person 怠け
  name 山武 夏
  birth 1991-07-15
  sex male
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail natsu@mail.example
person 遅れ
  name 山武 秋
  birth 1992-10-10
  sex female
  address 千葉県山武市殿台3番地
  lives-in 12237
  mail aki@mail.example
person 忘れ
  name 山武 冬
  birth 1993-01-02
  sex male
  address 千葉県山武市殿台4番地
  lives-in 12237
  mail fuyu@mail.example
person 故人
  name 山武 清
  birth 1935-05-05
  sex male
  address 千葉県山武市殿台5番地
  lives-in 12237
  mail kiyoshi@mail.example
person 返納者
  name 山武 正
  birth 1950-00-00
  sex male
  address 千葉県山武市殿台6番地
  lives-in 12237

factory 転居 card MV-0001
factory 怠け card MV-0002
factory 遅れ card MV-0003
factory 忘れ card MV-0004
factory 故人 card MV-0005
factory 返納者 card MV-0006
  expect auth last-day 2022-12-31 by mynumber.validity.fifth-birthday

at 2018-02-01(木) 10:00
apply 転居 collect at sammu
  shows handover-notice, photo-id
apply 怠け collect at sammu
  shows handover-notice, photo-id
apply 遅れ collect at sammu
  shows handover-notice, photo-id
apply 忘れ collect at sammu
  shows handover-notice, photo-id
apply 故人 collect at sammu
  shows handover-notice, photo-id
apply 返納者 collect at sammu
  shows handover-notice, photo-id
  expect auth status valid

# --- 転出届: 署名用は転出予定日に失効し、利用者証明用とカードは転入届を待つ。
# 予定日の翌日から30日目は4月30日の振替休日で閉庁、翌開庁日は5月1日。
at 2018-03-28(水) 10:00
change 転居 move-out at sammu
  planned 2018-03-31
  expect rule mynumber.ends.move-out deadline.move-on-its-day
  expect sign status valid
  expect deadline move-out 2018-03-30
  expect auth status valid
  expect card status held
  expect deadline move-in-30 2018-05-01
change 怠け move-out at sammu
  planned 2018-03-31
  expect deadline move-in-30 2018-05-01
change 遅れ move-out at sammu
  planned 2018-04-01
  expect deadline move-in-30 2018-05-01
change 忘れ move-out at sammu
  planned 2018-04-01
  expect deadline move-in-30 2018-05-01

at 2018-03-31(土) 10:00
look 転居
  expect sign status revoked
  expect sign reason affiliation-changed
  expect sign revoked-at 2018-03-31 03:00
  expect auth status valid

# --- 14日以内の転入届。カードは90日以内に提出する。
at 2018-04-10(火) 10:00
change 転居 move-in at togane
  happened 2018-04-01
  lives-in 12213
  address 千葉県東金市東岩崎1番地
  expect deadline move-in-30 met
  expect deadline card-90 2018-07-09             # 届出の日を含めて90日目は7月8日の日曜
  expect auth status valid
change 忘れ move-in at togane
  happened 2018-04-01
  lives-in 12213
  address 千葉県東金市東岩崎4番地
  expect deadline card-90 2018-07-09

# --- 14日を過ぎた転入届では、カードと利用者証明用が失効する
at 2018-04-20(金) 10:00
change 遅れ move-in at togane
  happened 2018-04-02
  lives-in 12213
  address 千葉県東金市東岩崎3番地
  expect rule mynumber.ends.late-move-in mynumber.deadline.move-in-14-days
  expect deadline move-in-14 missed
  expect auth status revoked
  expect auth reason cessation-of-operation
  expect card status void

# --- 転入届がないまま期限が過ぎる
at 2018-05-01(火) 16:00
look 怠け
  expect auth status valid
at 2018-05-02(水) 10:00
look 怠け
  expect deadline move-in-30 missed
  expect auth status revoked
  expect card status void
  expect auth listed cessation-of-operation
  expect notice revoked sent

# --- カードを提出して継続利用。署名用は新しい住所で発行する。
apply 転居 continue-use at togane
  shows application-form, card, photo-id
  expect accepted mynumber.deadline.met
  expect deadline card-90 met
  expect auth status valid
apply 転居 issue at togane
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect fee 0 mynumber.fee.record-change-waived
  expect sign last-day 2022-04-01 by mynumber.validity.auth-caps-sign not 2023-04-01 mynumber.validity.fifth-birthday

# --- カードの提出を忘れた
at 2018-07-09(月) 16:00
look 忘れ
  expect auth status valid
at 2018-07-10(火) 10:00
look 忘れ
  expect deadline card-90 missed
  expect auth status revoked
  expect card status void

# --- 提出する前にまた転出すると、カードは失効する
at 2018-09-03(月) 10:00
change 転居 move-out at togane
  planned 2018-09-10
  expect deadline move-in-30 2018-10-10
  expect sign status valid
at 2018-09-12(水) 10:00
change 転居 move-in at narita
  happened 2018-09-10
  lives-in 12211
  address 千葉県成田市花崎町760番地
  expect deadline card-90 2018-12-10
at 2018-10-01(月) 10:00
change 転居 move-out at narita
  planned 2018-10-05
  expect auth status valid
at 2018-10-05(金) 10:00
  expect 転居 rule mynumber.ends.card-not-submitted
  expect 転居 auth status revoked
  expect 転居 card status void

# --- 死亡: すべて失効し、誰にも通知しない
at 2018-11-05(月) 09:00
change 故人 death
  happened 2018-11-03
  expect rule mynumber.ends.death
  expect sign status revoked
  expect auth status revoked
  expect auth reason cessation-of-operation
  expect sign revoked-at 2018-11-05 09:00
  expect card status void
  expect no-mail
apply 故人 issue at sammu
  shows application-form, photo-id
  expect refused application.record-ended

# --- カードの返納
apply 返納者 return-card at sammu
  shows application-form, card, photo-id
  expect accepted mynumber.ends.card-returned
  expect sign status revoked
  expect auth status revoked
  expect card status void
  expect no-mail
