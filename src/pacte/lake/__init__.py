"""The lake: what people did, under internal numbers, in immutable Parquet segments that a manifest lists."""
