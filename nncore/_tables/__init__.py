"""Tables: what `nncore train`, `predict` and `evaluate` do with CSV and Parquet files.

```
reading     files -> pandas.DataFrame, texts in all columns of a CSV file
values      texts -> numbers, dates; which of them a column has
columns     kinds of columns: what each learns from training rows, and its numbers for the network
detection   which column is of which kind, which are left out, and why
target      the column to predict: a number, or classes
network     the network for columns and target, and its training
metrics     how good predictions are, beside the best constant
files       network, columns and target in one file
```

Each module imports those above it alone. pandas, which the extra `tables` installs, is imported when a table is read.
"""
