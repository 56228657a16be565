story 継続利用を窓口で申請する
# 前日まで、日本国籍の人だけ。同一世帯員と法定代理人は委任状なしで(law.md 5.5、8.5)
office sammu
  municipality 12237 山武市 Sammu-shi
office togane
  municipality 12213 東金市 Togane-shi

person A
  name 山武 A
  birth 1985-06-15
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
person K
  name 山武 K
  birth 2012-06-15
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237
  mail p@mail.example
person G
  name NGUYEN AN
  birth 1988-08-08
  sex male
  address 千葉県山武市殿台20番地
  lives-in 12237
  foreign yes
at 2022-07-01(金) 10:00
factory A card MN-1
factory B card MN-2
factory C card MN-3
factory D card MN-4
factory G card MN-5
factory K card MN-6
at 2022-07-20(水) 10:00
apply A collect at sammu
  shows handover-notice, photo-id
apply B collect at sammu
  shows handover-notice, photo-id
apply C collect at sammu
  shows handover-notice, photo-id
apply D collect at sammu
  shows handover-notice, photo-id
apply G collect at sammu
  shows handover-notice, photo-id
apply K collect at sammu
  by legal-representative
  shows handover-notice, photo-id, proof-of-representation, proxy-photo-id
at 2024-06-03(月) 10:00
change A move-overseas at sammu
  planned 2024-06-20
change B move-overseas at sammu
  planned 2024-06-20
change C move-overseas at sammu
  planned 2024-06-20
change D move-overseas at sammu
  planned 2024-06-20
change G move-overseas at sammu
  planned 2024-06-20
change K move-overseas at sammu
  planned 2024-06-20
at 2024-06-19(水) 10:00
apply A continue-use at sammu
  shows application-form, card, photo-id
  expect accepted
apply A issue at sammu
  shows application-form, card, photo-id
  expect accepted
  expect auth last-day 2029-06-15 by mynumber.validity.fifth-birthday
apply G continue-use at sammu
  shows application-form, card, photo-id
  expect refused
apply C continue-use at sammu
  by household-member
  shows application-form, card, proxy-photo-id
  expect accepted
apply K continue-use at sammu
  by legal-representative
  shows application-form, card, proof-of-representation, proxy-photo-id
  expect accepted
at 2024-06-20(木) 10:00
apply B continue-use at sammu
  shows application-form, card, photo-id
  expect refused
at 2024-06-21(金) 10:00
look A
  expect auth status valid
  expect sign status valid
  expect card status held
look B
  expect card status void
look C
  expect card status held
  expect auth status valid
  expect sign status revoked
look D
  expect card status void
look G
  expect card status void
look K
  expect card status held
  expect auth status valid
