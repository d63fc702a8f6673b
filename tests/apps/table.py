"""Streamlit: what it shows comes over a WebSocket, and a button changes it."""

import streamlit as st

st.title("seven times")
if "times" not in st.session_state:
    st.session_state.times = 1
if st.button("more"):
    st.session_state.times += 1
st.write(f"it makes {7 * st.session_state.times}")
