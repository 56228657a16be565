story 役所のない町への引っ越し

office chosei
  municipality 12421 一宮町 Ichinomiya-machi
person 甲
  name 一宮 甲
  birth 1996-02-29
  sex 男
  address 千葉県長生郡一宮町一宮1番地
  lives-in 12421
  mail kou@mail.example
person 乙
  name 一宮 乙
  birth 1996-03-31
  sex 女
  address 千葉県長生郡一宮町一宮2番地
  lives-in 12421
at 2020-02-28(金) 09:00
工場 甲 カード OD-1
  確認 利用者証明用 最終日 2024-02-29
工場 乙 カード OD-2
  確認 利用者証明用 最終日 2024-03-31
apply 甲 collect at chosei
  shows handover-notice photo-id
apply 乙 collect at chosei
  shows handover-notice photo-id
change 甲 move-out at chosei
  planned 2020-03-15
change 甲 move-in
  happened 2020-02-28
  lives-in 13101
  address 東京都千代田区九段南1丁目
  keeps-using
  expect deadline card-90 none
at 2024-02-15(木) 10:00
look 甲
  expect notice expiry sent
  expect auth window 2023-11-30
at 2024-04-01(月) 10:00
look 乙
  expect auth status expired
  expect notice expired suppressed because no-contact
経過 6 か月
look 甲
  expect auth status expired
