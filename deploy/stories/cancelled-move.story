story 転出の取りやめ

office sammu
  municipality 12237 山武市 Sammu-shi
  hours 09:00-17:00
  telephone 0475-00-0000

person 取消
  name 引越 止
  birth 1988-08-08
  sex female
  address 千葉県山武市殿台20番地
  lives-in 12237
  mail tome@mail.example
at 2024-02-01(木) 02:00
factory 取消 card D-1
at 2024-02-20(火) 10:00
apply 取消 collect at sammu
  shows handover-notice, photo-id
at 2024-06-10(月) 10:00
change 取消 move-out at sammu
  planned 2024-07-01
look 取消
  expect sign status valid
  expect auth status valid
  expect deadline move-in-30 2024-07-31
# 転出予定日の前に取りやめる。住民票は消除されず、何も失効しない
at 2024-06-17(月) 10:00
change 取消 move-called-off at sammu
  expect rule deadline.move-called-off
  expect sign status valid
  expect deadline move-in-30 met
at 2024-08-05(月) 10:00
look 取消
  expect auth status valid
  expect card status held
