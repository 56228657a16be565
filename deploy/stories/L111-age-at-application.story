story L111 3月に19歳で申請し、4月に作られたカード
# 根拠: law.md 2.6; 公開の案内(鴻巣市・大阪狭山市・神戸市・行橋市・忠岡町・飯能市・北栄町): 申請受付日が令和4年4月1日より前なら20歳未満は5回目の誕生日。物語は申請受付日を書けない
office sakata
  municipality 06204 酒田市 Sakata-shi
person 春
  name 新井 春
  birth 2002-09-09
  sex female
  address 山形県酒田市本町二丁目2番45号
  lives-in 06204
  mail p@mail.example
# 申請受付日 2022-03-25(19歳)、製造 2022-04-20
at 2022-04-20(水) 10:00
factory 春 card MN-0701
  applied 2022-03-25
  expect card last-day 2026-09-09
