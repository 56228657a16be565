story 照会書兼回答書、本人と代理人
# 写真付きの本人確認書類がない本人と、代理人。どちらも即日の発行はできず、回答書は郵送した日には戻らない。

office togane
  municipality 12213 東金市 Togane-shi

person 春
  name 東金 春
  birth 1960-04-01
  sex female
  address 千葉県東金市東岩崎1番地1
  lives-in 12213

person 夏
  name 東金 夏
  birth 1961-08-01
  sex male
  address 千葉県東金市東岩崎2番地
  lives-in 12213

at 2009-09-18(金) 10:00

apply 春 issue at togane
  card J-1 juki
  shows application-form, card
  expect deferred juki.documents.letter-first
  expect juki status none

apply 夏 issue at togane
  card J-2 juki
  by proxy
  shows application-form, card, mandate, seal-certificate, proxy-photo-id
  expect deferred juki.documents.letter-first

at 2009-09-18(金) 15:00

apply 夏 issue at togane
  card J-2 juki
  by proxy
  returns-letter
  shows application-form, card, mandate, seal-certificate, proxy-photo-id, inquiry-answer
  expect refused juki.documents.not-same-day

at 2009-09-22(火) 10:00

apply 春 issue at togane
  card J-1
  returns-letter
  shows application-form, card, inquiry-answer, other-id
  expect refused office.closed.citizens-day

at 2009-09-24(木) 10:00

apply 春 issue at togane
  card J-1
  returns-letter
  shows application-form, card, another-inquiry-answer, other-id
  expect refused juki.documents.inquiry-answer-other

apply 春 issue at togane
  card J-1
  returns-letter
  shows application-form, card, inquiry-answer
  expect refused juki.documents.other-id

apply 春 issue at togane
  card J-1
  returns-letter
  shows application-form, card, inquiry-answer, other-id
  expect accepted
  expect juki last-day 2012-09-23
  expect fee 500

apply 夏 issue at togane
  card J-2
  by proxy
  returns-letter
  shows application-form, card, mandate-without-seal, seal-certificate, proxy-photo-id, inquiry-answer
  expect refused juki.documents.mandate-seal

apply 夏 issue at togane
  card J-2
  by proxy
  returns-letter
  shows application-form, card, mandate, proxy-photo-id, inquiry-answer
  expect refused juki.documents.seal-certificate

apply 夏 issue at togane
  card J-2
  by proxy
  returns-letter
  shows application-form, card, mandate, seal-certificate, inquiry-answer
  expect refused juki.documents.proxy-photo-id

apply 夏 issue at togane
  card J-2
  by proxy
  returns-letter
  shows application-form, card, mandate, seal-certificate, proxy-photo-id, inquiry-answer
  expect accepted
  expect juki last-day 2012-09-23

at 2012-09-03(月) 10:00

apply 春 renew at togane
  shows application-form, card, photo-id-with-old-address
  expect refused juki.documents.photo-id-address

apply 夏 renew at togane
  by proxy
  shows application-form, card, mandate, seal-certificate, proxy-photo-id
  expect deferred

at 2012-09-10(月) 10:00

apply 夏 renew at togane
  by proxy
  returns-letter
  shows application-form, card, mandate, seal-certificate, proxy-photo-id, inquiry-answer
  expect accepted
  expect fee 500 juki.fee.renewal
  expect juki last-day 2015-09-09
  expect juki former reason superseded

at 2012-09-24(月) 10:00
  expect 春 juki status expired
  expect 夏 juki status valid
