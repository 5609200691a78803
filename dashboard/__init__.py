"""The dashboard: Streamlit pages over an owner's answers. `launch` starts it, `app` is its script."""
