story 同一世帯員が引っ越しを届け出る
# 署名用の発行は、引っ越しの届出と同じ日に、封入した委任状で。継続利用だけなら委任状は要らない(law.md 5.5)

office sammu
  municipality 12237 山武市 Sammu-shi
office togane
  municipality 12213 東金市 Togane-shi
  law letter-days 30

person 花子
  name 山武 花子
  birth 1985-06-18
  sex female
  address 千葉県山武市殿台1番地
  lives-in 12237

at 2021-05-10(月) 10:00
factory 花子 card MN-1
at 2021-06-01(火) 10:00
apply 花子 collect at sammu
  shows handover-notice, photo-id
at 2024-04-01(月) 10:00
change 花子 move-out at sammu
  planned 2024-04-05
at 2024-04-08(月) 10:00
change 花子 move-in at togane
  happened 2024-04-06
  address 千葉県東金市東岩崎1番地
apply 花子 continue-use at togane
  by household-member
  shows application-form, card, proxy-photo-id
  expect accepted mynumber.deadline.met
apply 花子 issue at togane
  by household-member
  kinds sign
  shows application-form, card, mandate, proxy-photo-id
  expect refused mynumber.documents.sealed-mandate
apply 花子 issue at togane
  by household-member
  kinds sign
  shows application-form, card, sealed-mandate, proxy-photo-id
  expect accepted mynumber.documents.household-with-move
  expect sign status valid
  expect fee 0 mynumber.fee.record-change-waived

# --- 別の日には、照会書による代理申請になる
at 2024-04-15(月) 10:00
change 花子 name at togane
  name 東金 花子
apply 花子 issue at togane
  by household-member
  kinds sign
  shows application-form, card, sealed-mandate, proxy-photo-id
  expect refused mynumber.documents.household-with-move

# --- 照会書は、住所が変わると使えなくなる。期限が過ぎても同じ(law.md 5.3)
apply 花子 issue at togane
  kinds sign
  shows application-form, card, other-id
  expect deferred
at 2024-04-22(月) 10:00
change 花子 address at togane
  address 千葉県東金市東岩崎2番地
apply 花子 issue at togane
  kinds sign
  returns-letter
  shows card, other-id, inquiry-answer
  expect refused mynumber.documents.inquiry-answer-moved
apply 花子 issue at togane
  kinds sign
  shows application-form, card, other-id
  expect deferred
at 2024-05-23(木) 10:00
apply 花子 issue at togane
  kinds sign
  returns-letter
  shows card, other-id, inquiry-answer
  expect refused mynumber.documents.inquiry-answer-lapsed
