story カードの返納と、照会書の二度目の来庁
# 返納に必要なのはカードだけで、写真付きの書類がなくても、亡くなった方のカードでも、断られない。照会書の回答を持って来た人に、
# お預かりしている申請書は求めない。

office sammu-honcho
  municipality 12237 山武市 Sammu-shi
  hours 09:00-17:00

person 松
  name 山武 松
  birth 1970-05-05
  sex female
  address 千葉県山武市殿台296番地
  lives-in 12237

person 竹
  name 山武 竹
  birth 1950-06-06
  sex male
  address 千葉県山武市殿台297番地
  lives-in 12237

at 2016-01-12(火) 02:00

factory 松 card MR-1

factory 竹 card MR-2

at 2016-01-20(水) 10:00

apply 松 collect at sammu-honcho
  shows handover-notice, photo-id

apply 竹 collect at sammu-honcho
  shows handover-notice, photo-id

at 2017-03-01(水) 10:00

apply 松 return-card at sammu-honcho
  shows application-form
  expect refused mynumber.documents.card-returned

apply 松 return-card at sammu-honcho
  shows card
  expect accepted mynumber.documents.card-returned
  expect sign status revoked
  expect auth status revoked
  expect card status void

at 2017-03-02(木) 10:00

apply 松 issue at sammu-honcho
  card MR-3 mynumber
  shows application-form
  expect deferred mynumber.documents.letter-first

at 2017-03-10(金) 10:00

apply 松 issue at sammu-honcho
  card MR-3
  returns-letter
  shows inquiry-answer
  expect refused mynumber.documents.other-id

apply 松 issue at sammu-honcho
  card MR-3
  returns-letter
  shows inquiry-answer, other-id
  expect accepted mynumber.documents.form-on-file
  expect auth last-day 2021-05-05

# --- 亡くなった方のカード
change 竹 death
  expect card status void

at 2017-03-13(月) 10:00

apply 竹 return-card at sammu-honcho
  shows card
  expect accepted mynumber.documents.card-returned
