story 山武 花子の電子証明書

office sammu-honcho
  municipality 12237 山武市 Sammu-shi
  hours 09:00-17:00
  closed 2019-05-01 until 2019-05-02      # 臨時の閉庁
  telephone 0475-00-0000

person 花子
  name 山武 花子
  birth 1980-06-18
  sex female
  address 千葉県山武市殿台296番地
  lives-in 12237
  mail hanako@mail.example

at 2016-01-12(火) 10:00

factory 花子 card MN-0001
  expect accepted mynumber.validity.fifth-birthday
  expect auth last-day 2020-06-18 by mynumber.validity.fifth-birthday

apply 花子 collect at sammu-honcho
  shows handover-notice, photo-id
  expect accepted
  expect auth status valid
  expect auth on-card yes
  expect fee 0

at 2020-03-19(木) 10:00

申請 花子 更新 で sammu-honcho
  提示 申請書、カード、写真付き本人確認書類
  確認 受理 mynumber.renewal.in-window
  確認 利用者証明用 最終日 2025-06-18 根拠 mynumber.validity.sixth-birthday 候補 2025-06-18 mynumber.validity.card-caps
  確認 利用者証明用 前の 状態 失効
  確認 利用者証明用 前の 失効理由 取替え
