"""The script that Streamlit runs for every session."""

import streamlit as st

from llmtrace.dashboard import source

st.set_page_config(page_title="llmtrace")
st.title("llmtrace")
st.dataframe(source.current().rows("report", {"by": "feature"}).dicts())
