"""Tables of results: CSV files that are read back, HEPData submissions that its validator accepts."""

import csv
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_models import model, toy_spectrum

from lamppost.errors import DataError
from lamppost.io.spectrum import Table, read_spectrum
from lamppost.stats import fit_background, scan
from lamppost.stats.export import (
    Column,
    ResultTable,
    limit_table,
    scan_table,
    spectrum_table,
    to_hs3,
    to_pyhf,
    write_csv,
    write_hepdata,
)
from lamppost.stats.limits.limits import Limit

LIMITS = [
    Limit(mass, 0.95, 10.0 * k, 0.0, np.arange(5.0) + k, 1.0, 2.0, "asymptotic", 0, 0)
    for k, mass in enumerate((2000.0, 2500.0), start=1)
]


def tables() -> list[ResultTable]:
    """A spectrum, a scan and limits."""
    spectrum = toy_spectrum()
    found = scan(spectrum, n_parameters=3, toys=0, masses=np.array([2000.0, 2500.0, 3000.0]))
    return [spectrum_table(spectrum, found.background), scan_table(found), limit_table(LIMITS)]


def rows_of(path: Path) -> dict[str, Any]:
    """The columns of a CSV file."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def test_csv_of_a_spectrum_is_read_back(tmp_path: Path) -> None:
    spectrum = toy_spectrum()
    fit = fit_background(spectrum, n_parameters=3)
    path = write_csv(spectrum_table(spectrum, fit), tmp_path / "results" / "spectrum.csv")
    table = read_spectrum(path)
    assert isinstance(table, Table)
    np.testing.assert_allclose(table.edges, spectrum.edges, rtol=1e-11)
    np.testing.assert_array_equal(table.counts, spectrum.counts)
    columns = rows_of(path)
    np.testing.assert_allclose(columns["background"], fit.expected, rtol=1e-11)
    np.testing.assert_allclose(columns["n_events_err"], np.sqrt(spectrum.counts), rtol=1e-11)
    errors = [fit.expected_in(*pair)[1] for pair in zip(spectrum.edges[:-1], spectrum.edges[1:], strict=True)]
    np.testing.assert_allclose(columns["background_err"], errors, rtol=1e-11)


def test_csv_of_a_weighted_spectrum_keeps_its_variances(tmp_path: Path) -> None:
    spectrum = toy_spectrum(weight=0.3)
    path = write_csv(spectrum_table(spectrum, fit_background(spectrum, n_parameters=3)), tmp_path / "s.csv")
    with pytest.raises(DataError, match="expected whole numbers of events"):
        read_spectrum(path)
    table = read_spectrum(path, weighted=True)
    assert isinstance(table, Table)
    np.testing.assert_allclose(table.variances, spectrum.variances, rtol=1e-10)


def test_errors_up_and_down(tmp_path: Path) -> None:
    values = np.array([1.0, 2.0])
    column = Column("y", values, down=0.1 * values, up=0.2 * values, label="total")
    columns = rows_of(
        write_csv(ResultTable("t", "", (Column("x", values, independent=True), column)), tmp_path / "t.csv")
    )
    assert list(columns) == ["x", "y", "y_err_down", "y_err_up"]
    np.testing.assert_allclose(columns["y_err_up"], [0.2, 0.4])


def test_limits_by_mass() -> None:
    table = limit_table(LIMITS, units="TeV", quantity="xsec")
    columns = {column.name: column for column in table.columns}
    assert columns["mass"].units == "TeV"
    np.testing.assert_array_equal(columns["xsec_observed"].values, [10.0, 20.0])
    np.testing.assert_array_equal(columns["xsec_expected_minus2"].values, [1.0, 2.0])
    np.testing.assert_array_equal(columns["xsec_expected"].values, [3.0, 4.0])
    np.testing.assert_array_equal(columns["xsec_expected_plus2"].values, [5.0, 6.0])
    assert "95 %" in table.description
    with pytest.raises(DataError, match="one confidence level"):
        limit_table([])


def test_tables_that_make_no_sense() -> None:
    with pytest.raises(DataError, match=r"columns of \[1, 2\] rows"):
        ResultTable("t", "", (Column("x", np.ones(1)), Column("y", np.ones(2))))
    with pytest.raises(DataError, match="a name of its own"):
        ResultTable("t", "", (Column("x", np.ones(1)), Column("x", np.ones(1))))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_hepdata_submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valid for HEPData (checked on writing), complete, and with the numbers of the tables to 12 digits."""
    pytest.importorskip("hepdata_lib")
    yaml = pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    models = {"HS3": to_hs3(model()), "HistFactory": to_pyhf(model())}
    for kind, document in models.items():
        Path(f"{kind}.json").write_text(json.dumps(document))
    resources = {f"The model in {kind}": f"{kind}.json" for kind in models}
    made = tables()
    archive = write_hepdata(made, "submission", abstract="A bump hunt.", resources=resources)
    assert archive == Path("submission") / "submission.tar.gz"
    assert [path.name for path in tmp_path.glob("*.tar.gz")] == []
    with tarfile.open(archive) as tar:
        files = {name: tar.extractfile(name) for name in tar.getnames()}
        head, *documents = list(yaml.safe_load_all(files["submission.yaml"]))
        data = {text["name"]: yaml.safe_load(files[text["data_file"]]) for text in documents}
    assert head["comment"] == "A bump hunt."
    assert {resource.get("type") for resource in head["additional_resources"]} == {None, "HS3", "HistFactory"}
    assert {"HS3.json", "HistFactory.json"} <= set(files)
    assert list(data) == [table.name for table in made]
    seen = data["Spectrum"]["dependent_variables"][0]["values"]
    np.testing.assert_array_equal([cell["value"] for cell in seen], toy_spectrum().counts)
    np.testing.assert_allclose(
        [cell["errors"][0]["symerror"] for cell in seen], np.sqrt(toy_spectrum().counts), rtol=1e-11
    )
    bins = data["Spectrum"]["independent_variables"][0]["values"]
    np.testing.assert_allclose([cell["low"] for cell in bins], toy_spectrum().edges[:-1], rtol=1e-11)
    p = next(
        found for found in data["Local significance"]["dependent_variables"] if found["header"]["name"] == "p_local"
    )
    np.testing.assert_allclose([cell["value"] for cell in p["values"]], made[1].columns[1].values, rtol=1e-11)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_second_submission_holds_nothing_of_the_first(tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib")
    (tmp_path / "notes.txt").write_text("kept")
    made = tables()
    write_hepdata(made, tmp_path)
    with tarfile.open(write_hepdata(made[:1], tmp_path)) as tar:
        assert sorted(Path(name).name for name in tar.getnames()) == ["spectrum.yaml", "submission.yaml"]
    assert (tmp_path / "notes.txt").read_text() == "kept"


def test_hepdata_says_what_is_wrong(tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib")
    table = limit_table(LIMITS)
    with pytest.raises(DataError, match="names of their own"):
        write_hepdata([table, table], tmp_path)
    with pytest.raises(DataError, match="names of their own, found none"):
        write_hepdata([], tmp_path)
    with pytest.raises(DataError, match="no such file"):
        write_hepdata([table], tmp_path, resources={"the model": tmp_path / "none.json"})
