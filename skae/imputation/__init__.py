"""Missing values: a mixture of Gaussians fitted to what is observed, and what it says of holes.

From the bottom: `inverses` of many small matrices; `holes`, which rows lack what; `mixtures`, the
Gaussians of a row given its observed cells; `em`, how they are fitted; `answers`, means, draws and
quantiles; `choice`, what is chosen on cells that are hidden for it; `units` of the columns;
`inputs`, checked; `estimator`, the imputer. No torch is imported here.
"""
