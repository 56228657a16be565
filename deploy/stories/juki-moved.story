story 住基カードと引っ越し
# 転出すると予定日からどこの住民でもなく、転入先で新しいカードに発行する。

office sammu
  municipality 12237 山武市 Sammu-shi

office togane
  municipality 12213 東金市 Togane-shi

person 松
  name 山武 松
  birth 1950-05-05
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p1@mail.example

person 竹
  name 山武 竹
  birth 1960-06-06
  sex female
  address 千葉県山武市殿台2番地
  lives-in 12237
  mail p2@mail.example

at 2010-06-01(火) 10:00

apply 松 issue at sammu
  card J-1 juki
  shows application-form, card, photo-id

apply 竹 issue at sammu
  card J-2 juki
  shows application-form, card, photo-id

at 2010-07-01(木) 10:00

change 松 move-out at sammu
  planned 2010-07-05
  expect juki status valid

apply 竹 issue at sammu
  shows application-form, card, photo-id
  card J-3 juki
  expect refused application.double-issue card.not-the-holders

at 2010-07-05(月) 10:00
  expect 松 juki status revoked
  expect 松 juki reason affiliation-changed

apply 松 issue at sammu
  shows application-form, card, photo-id
  expect refused juki.eligibility.not-registered

apply 松 issue at togane
  shows application-form, card, photo-id
  expect refused juki.eligibility.not-registered

at 2010-07-06(火) 10:00

change 松 move-in at togane
  happened 2010-07-05
  address 千葉県東金市東岩崎1番地

apply 松 issue at sammu
  shows application-form, card, photo-id
  card J-4 juki
  expect refused juki.eligibility.other-municipality

apply 松 issue at togane
  shows application-form, card, photo-id
  card J-4 juki
  expect accepted
  expect juki last-day 2013-07-05
  expect fee 500
  expect card is J-4

# --- 代理人は、暗証番号を目隠しシールの下に書いた回答書を持ってくる
apply 竹 renew at sammu
  shows application-form, card, mandate, seal-certificate, proxy-photo-id
  by proxy
  expect deferred juki.documents.letter-first juki.documents.pin-under-seal
