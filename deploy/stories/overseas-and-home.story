story 国外で、本籍地で、帰国してから
# 転出の後は本籍地の市区町村へ本人だけ。再交付は転出から90日まで無料(law.md 4.3、7.2、8.5)
office sammu
  municipality 12237 山武市 Sammu-shi
office togane
  municipality 12213 東金市 Togane-shi

person A
  name 山武 A
  birth 1990-08-20
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person B
  name 山武 B
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person C
  name 山武 C
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person D
  name 山武 D
  birth 1985-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
at 2022-07-01(金) 10:00
factory A card MN-1
factory B card MN-2
factory C card MN-3
factory D card MN-4
at 2022-07-20(水) 10:00
apply A collect at sammu
  shows handover-notice, photo-id
apply B collect at sammu
  shows handover-notice, photo-id
apply C collect at sammu
  shows handover-notice, photo-id
apply D collect at sammu
  shows handover-notice, photo-id
at 2024-06-03(月) 10:00
change A move-overseas at sammu
  planned 2024-06-20
  keeps-using
  lives-in 12213
change B move-overseas at sammu
  planned 2024-06-20
change C move-overseas at sammu
  planned 2024-06-20
change D move-overseas at sammu
  planned 2024-06-20
  keeps-using
at 2024-07-01(月) 10:00
# 転出の後は、本籍地の市区町村へ、本人だけ
apply A issue at sammu
  kinds sign
  shows application-form, card, photo-id
  expect refused mynumber.eligibility.other-municipality
apply A issue at togane
  kinds sign
  by proxy
  shows application-form, card, mandate, proxy-photo-id
  expect refused mynumber.documents.overseas-holder-alone
apply A issue at togane
  kinds sign
  shows application-form, card, photo-id
  expect accepted
  expect fee 0
  expect sign last-day 2026-08-20
# 帰国 90日目と91日目
at 2024-09-18(水) 10:00
change B move-in at sammu
  happened 2024-09-18
apply B issue at sammu
  shows application-form, photo-id
  card MN-12 mynumber
  expect accepted
  expect fee 0
at 2024-09-19(木) 10:00
change C move-in at sammu
  happened 2024-09-19
apply C issue at sammu
  shows application-form, photo-id
  card MN-13 mynumber
  expect accepted
  expect fee 1000
# 帰国した継続利用者
at 2025-01-15(水) 10:00
change D move-in at sammu
  happened 2025-01-14
  keeps-using
  expect card status held
  expect auth status valid
