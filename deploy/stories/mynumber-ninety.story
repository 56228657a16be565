story 九十日目が閉庁日
# 届出の日から数えて90日目は土曜の祝日、日曜、臨時の閉庁と続き、その次の開庁日まで延びる。

office otsu
  municipality 25201 大津市 Otsu-shi

office kusatsu
  municipality 25206 草津市 Kusatsu-shi
  closed 2024-11-25 until 2024-11-25

person 甲
  name 近江 甲
  birth 1990-06-01
  sex male
  address 滋賀県大津市御陵町3番1号
  lives-in 25201

person 乙
  name 近江 乙
  birth 1990-06-02
  sex male
  address 滋賀県大津市御陵町3番1号
  lives-in 25201

at 2022-07-04(月) 02:00

factory 甲 card MN-1

factory 乙 card MN-2

at 2022-08-01(月) 10:00

apply 甲 collect at otsu
  shows handover-notice, photo-id

apply 乙 collect at otsu
  shows handover-notice, photo-id

at 2024-08-20(火) 10:00

change 甲 move-out at otsu
  planned 2024-08-22

change 乙 move-out at otsu
  planned 2024-08-22

at 2024-08-26(月) 10:00

change 甲 move-in at kusatsu
  happened 2024-08-22
  address 滋賀県草津市草津三丁目13番30号
  lives-in 25206
  expect deadline card-90 2024-11-26
  expect deadline move-in-14 met

change 乙 move-in at kusatsu
  happened 2024-08-22
  address 滋賀県草津市草津三丁目13番30号
  lives-in 25206

at 2024-11-26(火) 16:59
  expect 甲 auth status valid

apply 甲 continue-use at kusatsu
  shows application-form, card, photo-id
  expect deadline card-90 met

at 2024-11-27(水) 09:00
  expect 乙 auth status revoked
  expect 乙 card status void

change 甲 move-out at kusatsu
  planned 2024-11-28
  expect card status held
  expect auth status valid
