story カードが失効するとき
# 職権消除、適用除外、個人番号の変更、住民票コードの修正。カードと両方の電子証明書が終わる。

office mito
  municipality 08201 水戸市 Mito-shi

person 消
  name 水戸 消
  birth 1962-02-02
  sex male
  address 茨城県水戸市中央1丁目
  lives-in 08201
  mail v2@mail.example

person 外
  name 水戸 外
  birth 1963-02-03
  sex male
  address 茨城県水戸市中央1丁目
  lives-in 08201
  mail v3@mail.example

person 番
  name 水戸 番
  birth 1964-02-04
  sex male
  address 茨城県水戸市中央1丁目
  lives-in 08201
  mail v4@mail.example

person 票
  name 水戸 票
  birth 1965-02-05
  sex male
  address 茨城県水戸市中央1丁目
  lives-in 08201
  mail v5@mail.example

at 2020-02-10(月) 02:00

factory 消 card MN-2

factory 外 card MN-3

factory 番 card MN-4

factory 票 card MN-5

at 2020-03-02(月) 10:00

apply 消 collect at mito
  shows handover-notice, photo-id

apply 外 collect at mito
  shows handover-notice, photo-id

apply 番 collect at mito
  shows handover-notice, photo-id

apply 票 collect at mito
  shows handover-notice, photo-id

at 2021-07-19(月) 10:00

change 消 deleted at mito
  expect sign status revoked
  expect auth status revoked
  expect card status void
  expect rule mynumber.ends.record-deleted

change 外 out-of-scope at mito
  expect auth status revoked
  expect sign status revoked
  expect card status void
  expect rule mynumber.ends.out-of-scope

change 番 individual-number at mito
  expect auth status revoked
  expect auth reason cessation-of-operation
  expect card status void
  expect rule mynumber.ends.individual-number-changed

change 票 resident-code at mito
  expect auth status revoked
  expect card status void
  expect rule mynumber.ends.resident-code-corrected
