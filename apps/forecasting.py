r"""Forecast time series: from a table with a time column to a served forecast.

Train on the demo data and look at the scores; the report is `runs/sst/report.html`:

    $ python apps/forecasting.py train data/forecasting/sea_surface_temperature.csv runs/sst \
          --config data/forecasting/demo.toml
    732 steps (MS), 1 columns: train 513, validation 73, test 146; window 48, horizon 12, season 12.
    Training gru, 1 layer(s), units [32].
    …
    The model does NOT beat the best baseline, ridge regression, beyond chance: MASE 0.609 against 0.6472 (5.9 % …

Score the run on another part, forecast what follows the last row, and put the SavedModel where a server looks:

    $ python apps/forecasting.py evaluate runs/sst data/forecasting/sea_surface_temperature.csv --split validation
    $ python apps/forecasting.py predict runs/sst data/forecasting/sea_surface_temperature.csv
    month,temperature,temperature_q0.1,temperature_q0.5,temperature_q0.9
    2011-01-01,23.39811,22.66914,23.39811,24.44668
    …
    $ python apps/forecasting.py export runs/sst models/sst
    Verified and written: models/sst/1

`python apps/forecasting.py train --help` lists every option.
"""

from seqapps import cli

if __name__ == "__main__":
    cli.main("forecasting")
