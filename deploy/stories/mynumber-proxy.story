story 代理人による更新とロック解除
# 有効期限通知書による当日の更新、封入された暗証番号の不一致、満了後の回答、委任状による二度の来庁。

office kumagaya
  municipality 11202 熊谷市 Kumagaya-shi

person 甲
  name 武蔵 甲
  birth 1940-10-21
  sex female
  address 埼玉県熊谷市宮町2丁目
  lives-in 11202
  mail w1@mail.example

person 乙
  name 武蔵 乙
  birth 1940-10-22
  sex female
  address 埼玉県熊谷市宮町2丁目
  lives-in 11202
  mail w2@mail.example

person 丙
  name 武蔵 丙
  birth 1940-10-23
  sex female
  address 埼玉県熊谷市宮町2丁目
  lives-in 11202
  mail w3@mail.example

at 2019-11-11(月) 02:00

factory 甲 card MN-1
  expect auth last-day 2024-10-21

factory 乙 card MN-2
  expect auth last-day 2024-10-22

factory 丙 card MN-3
  expect auth last-day 2024-10-23

at 2019-12-02(月) 11:00

apply 甲 collect at kumagaya
  shows handover-notice, photo-id

apply 乙 collect at kumagaya
  shows handover-notice, photo-id

apply 丙 collect at kumagaya
  shows handover-notice, photo-id

at 2024-07-22(月) 10:00
  expect 甲 auth window 2024-07-22

at 2024-08-30(金) 10:00
  expect 甲 notices expiry 1
  expect 甲 notice expiry sent

apply 甲 renew at kumagaya
  by proxy
  notice-pins match
  shows application-form, card, notice-answer, proxy-photo-id
  expect accepted
  expect auth last-day 2029-10-21 by mynumber.validity.sixth-birthday

apply 乙 renew at kumagaya
  by proxy
  notice-pins differ
  shows application-form, card, notice-answer, proxy-photo-id
  expect deferred mynumber.documents.notice-pins-differ

apply 丙 renew at kumagaya
  by proxy
  shows application-form, card, mandate, seal-certificate, proxy-photo-id
  expect deferred

at 2024-09-17(火) 10:00

apply 乙 renew at kumagaya
  by proxy
  returns-letter
  shows application-form, card, inquiry-answer, mandate, seal-certificate, proxy-photo-id
  expect accepted
  expect auth last-day 2029-10-22

at 2024-10-24(木) 10:00
  expect 丙 auth status expired
  expect 丙 notices expiry 1
  expect 甲 notices expiry 1

apply 丙 renew at kumagaya
  by proxy
  returns-letter
  shows application-form, card, inquiry-answer, mandate, seal-certificate, proxy-photo-id
  expect accepted mynumber.renewal.after-expiry
  expect auth last-day 2029-10-23 by mynumber.validity.fifth-birthday
